// Wait, with this process and its connections alive, until the emulator's book says how its only call ended.
const PATIENCE_MS = 20000;
const PAUSE_MS = 20;

export async function waitForOutcome(emulator) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const { calls } = await (await fetch(`${emulator}/_emulator/calls`)).json();
    if (calls.length === 1 && calls[0].outcome) return calls[0].outcome;
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
  return null;
}
