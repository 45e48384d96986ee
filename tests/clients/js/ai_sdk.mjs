// Play one scenario with the unmodified npm package `ai`, and print what the page then has, as JSON.
// Arguments: the scenario's name, and its options as JSON.
import * as scenarios from "./ai_sdk_scenarios.mjs";

const [name, options] = process.argv.slice(2);
const found = await scenarios[name](JSON.parse(options));
process.stdout.write(JSON.stringify(found), () => process.exit(0));
