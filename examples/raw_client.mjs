// Ask a model over the raw WebSocket and print the answer as it comes. Node 22 or newer; nothing to install.
//
//     node examples/raw_client.mjs "Tell me a story" [llama3] [ws://127.0.0.1:8080]

const [prompt = "Tell me a story", model = "llama3", server = "ws://127.0.0.1:8080"] = process.argv.slice(2);
const socket = new WebSocket(`${server}/ws/model?model=${model}&streaming=true&done=1`);

socket.onopen = () => socket.send(prompt);
socket.onmessage = ({ data }) => {
  if (data === "") socket.close(1000); // the empty message that marks the answer's end
  else process.stdout.write(data);
};
socket.onclose = ({ code, reason }) => {
  process.stdout.write("\n");
  if (code !== 1000) {
    console.error(`closed with ${code}: ${reason}`);
    process.exitCode = 1;
  }
};
