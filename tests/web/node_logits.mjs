// Prints as JSON what ONNX Runtime for Node.js makes of a decoder model on WebGPU: how many logits of
// the prompt are NaN or infinite, and the likeliest next token.
//
//   node node_logits.mjs MODEL.onnx TOKEN,TOKEN…     (modules are found by NODE_MODULES)
import { createRequire } from 'node:module';

const ort = createRequire(`${process.env.NODE_MODULES}/`)('onnxruntime-node');
const [model, list] = process.argv.slice(2);
const prompt = list.split(',').map(BigInt);

const session = await ort.InferenceSession.create(model, {
  executionProviders: ['webgpu'],
  logSeverityLevel: 3,
});

const integers = (values) => new ort.Tensor('int64', BigInt64Array.from(values), [1, values.length]);
const feeds = {};
for (const { name, type, shape } of session.inputMetadata) {
  if (name === 'input_ids') feeds[name] = integers(prompt);
  else if (name === 'attention_mask') feeds[name] = integers(prompt.map(() => 1n));
  else if (name === 'position_ids') feeds[name] = integers(prompt.map((_, i) => BigInt(i)));
  else {
    // An empty key or value cache: one sequence, no positions; heads and their size are fixed.
    const empty = type === 'float16' ? new Uint16Array(0) : new Float32Array(0);
    feeds[name] = new ort.Tensor(type, empty, [1, shape[1], 0, shape[3]]);
  }
}
const { logits } = await session.run(feeds);
const values = logits.data;
const last = values.subarray(values.length - logits.dims.at(-1));
const count = (test) => values.reduce((sum, value) => sum + (test(value) ? 1 : 0), 0);
const next = last.reduce((best, value, i) => (value > last[best] ? i : best), 0);
console.log(JSON.stringify({
  type: logits.type,
  logits: values.length,
  nan: count(Number.isNaN),
  infinite: count((value) => Math.abs(value) === Infinity),
  next,
}));
