// What ONNX Runtime for Node.js or the web says to each model that a folder's index.json lists.
//
//   node probe_runtime.mjs FOLDER webgpu|wasm|asyncify RESULT.json  (modules: NODE_MODULES)
//
// webgpu: onnxruntime-node, where a model loads only if its node runs there; wasm: onnxruntime-web's
// plain bundle; asyncify: the bundle that Transformers.js takes, on the CPU. Where a row of the index
// has `feeds`, types and shapes by name, the model is run on zeros, too.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const modules = process.env.NODE_MODULES;
const [folder, runtime, result] = process.argv.slice(2);
const web = path.join(modules, 'onnxruntime-web/dist');
const files = { wasm: 'ort.wasm.mjs', asyncify: 'ort.webgpu.mjs' };
let ort;
let options;
let name;
if (runtime === 'webgpu') {
  ort = createRequire(`${modules}/`)('onnxruntime-node');
  options = {
    executionProviders: ['webgpu'],
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  };
  name = 'onnxruntime-node';
} else {
  ort = await import(path.join(web, files[runtime]));
  ort.env.wasm.wasmPaths = `${web}/`;
  ort.env.wasm.numThreads = 1;
  options = { executionProviders: ['wasm'] };
  name = 'onnxruntime-web';
}
Object.assign(options, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });

// What was found is kept: where a model ends the process, the next run goes on after it.
const log = `${result}.log`;
const known = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
const results = Object.fromEntries(known.map((line) => JSON.parse(line)));
const index = JSON.parse(fs.readFileSync(path.join(folder, 'index.json'), 'utf8'));
const note = (file, text) => {
  results[file] = text;
  fs.appendFileSync(log, `${JSON.stringify([file, text])}\n`);
};
const arrays = { float32: Float32Array, float16: Uint16Array, int64: BigInt64Array };
const zeros = (feeds) =>
  Object.fromEntries(
    Object.entries(feeds).map(([input, [type, shape]]) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [input, new ort.Tensor(type, new arrays[type](length), shape)];
    }),
  );
for (const { file, feeds } of index) {
  if (file in results) continue;
  note(file, 'ended the process');
  try {
    const session = await ort.InferenceSession.create(fs.readFileSync(path.join(folder, file)), options);
    if (feeds) await session.run(zeros(feeds));
    await session.release();
    note(file, '');
  } catch (error) {
    note(file, String(error).slice(0, 600));
  }
}
const { version } = JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'), 'utf8'));
fs.writeFileSync(result, JSON.stringify({ runtime: `${name} ${version}`, results }, null, 1));
console.log(`${Object.values(results).filter((text) => text === '').length} of ${index.length} load`);
process.exit(0);
