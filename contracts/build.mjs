// Compiles the contracts and writes what the Python package carries: one JSON file per contract.
//
//   node contracts/build.mjs           rewrites src/headrace/chain/artifacts/
//   node contracts/build.mjs --check   compares instead; exits 1 and lists what is stale
//   ... --folder PATH                  in another folder than that of the package
//
// The same sources and the same compiler give the same bytes: no metadata hash, sorted inputs, no dates, no paths.

import { readdirSync, readFileSync, mkdirSync, writeFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const solc = createRequire(import.meta.url)("solc");

const contractsFolder = path.dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    folder: { type: "string", default: path.join(contractsFolder, "..", "src", "headrace", "chain", "artifacts") },
  },
});

const PACKAGED = [
  "BatchTaskManager", "IPolicyClient", "OperatorRegistry", "PolicyClient", "TaskManager",
  "Escrow", "IEscrow",
  "Aggregate3", "TestFeeRouter", "LinearEscrow", "TestToken", // for local chains and tests
];

// foundry.toml says the same, so that the tests run what is shipped.
const SETTINGS = {
  evmVersion: "prague", // the first fork with EIP-2537
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};

function readSources() {
  const sources = {};
  for (const name of readdirSync(path.join(contractsFolder, "src"), { recursive: true }).sort()) {
    if (!name.endsWith(".sol")) continue;
    const key = path.posix.join("src", name.split(path.sep).join("/"));
    sources[key] = { content: readFileSync(path.join(contractsFolder, key), "utf8") };
  }
  return sources;
}

// "Transient storage can break composability": what ours remembers stays true until the transaction ends, whoever calls
// in between. forge leaves this one out by itself.
const TRANSIENT_STORAGE = "2394";

function compile() {
  const input = {
    language: "Solidity",
    sources: readSources(),
    settings: { ...SETTINGS, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const complaints = (output.errors ?? []).filter(({ errorCode }) => errorCode !== TRANSIENT_STORAGE);
  for (const complaint of complaints) console.error(complaint.formattedMessage);
  if (complaints.length > 0) process.exit(1); // warnings too: they are fixed, not shipped
  return output.contracts;
}

function artifacts(contracts) {
  const found = new Map();
  for (const inFile of Object.values(contracts)) {
    for (const [contractName, { abi, evm }] of Object.entries(inFile)) {
      if (!PACKAGED.includes(contractName)) continue;
      const artifact = {
        contractName,
        compiler: solc.version(),
        settings: SETTINGS,
        abi,
        bytecode: "0x" + evm.bytecode.object,
        deployedBytecode: "0x" + evm.deployedBytecode.object,
      };
      found.set(`${contractName}.json`, JSON.stringify(artifact, null, 1) + "\n");
    }
  }
  for (const name of PACKAGED) {
    if (!found.has(`${name}.json`)) throw new Error(`no contract named ${name} under contracts/src`);
  }
  return found;
}

function filesOnDisk() {
  mkdirSync(options.folder, { recursive: true });
  return new Map(
    readdirSync(options.folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => [name, readFileSync(path.join(options.folder, name), "utf8")]),
  );
}

const fresh = artifacts(compile());
const present = filesOnDisk();
const unwanted = [...present.keys()].filter((name) => !fresh.has(name));
const stale = [...fresh.keys()].filter((name) => present.get(name) !== fresh.get(name));

if (options.check) {
  for (const name of stale) console.error(`stale: ${name}`);
  for (const name of unwanted) console.error(`no such contract any more: ${name}`);
  if (stale.length + unwanted.length > 0) {
    console.error("Run `make contracts` and commit what it writes.");
    process.exit(1);
  }
  console.log(`${fresh.size} artifacts are fresh`);
} else {
  for (const name of unwanted) rmSync(path.join(options.folder, name));
  for (const name of stale) writeFileSync(path.join(options.folder, name), fresh.get(name));
  console.log(`${stale.length} of ${fresh.size} artifacts rewritten`);
}
