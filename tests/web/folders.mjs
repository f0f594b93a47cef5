// Loads model folders with Transformers.js, one after another, and runs them on given tensors.
//
//   start({folder, type, dtype, device, inputs: {name: {type, dims, data}}, count})
//
// loads `folder` with the class `type`. With a `count` the model generates that many tokens greedily, and the
// result is {tokens, logits}: of each step all logits. Without one it runs once, and the result is
// {name: data} of all outputs. It ends as `globalThis.outcome`: {result} or {error}.
import * as transformers from '/library/transformers.min.js';

const { LogitsProcessor, LogitsProcessorList, Tensor, env } = transformers;
Object.assign(env, {
  allowRemoteModels: false,
  allowLocalModels: true,
  localModelPath: '/models/',
  useBrowserCache: false,
});
env.backends.onnx.wasm.wasmPaths = '/wasm/';

const ARRAYS = { int64: BigInt64Array, float32: Float32Array };

class Recorder extends LogitsProcessor {
  steps = [];

  _call(ids, logits) {
    this.steps.push(Array.from(logits.data));
    return logits;
  }
}

async function generate(model, inputs, count) {
  const recorder = new Recorder();
  const processors = new LogitsProcessorList();
  processors.push(recorder);
  const sequence = await model.generate({
    ...inputs,
    max_new_tokens: count,
    do_sample: false,
    eos_token_id: -1,
    forced_eos_token_id: null, // or it is the last token, whatever the logits
    logits_processor: processors,
  });
  return { tokens: Array.from(sequence.data, Number).slice(-count), logits: recorder.steps };
}

async function compute(model, inputs) {
  const outputs = Object.entries(await model(inputs));
  return Object.fromEntries(outputs.map(([name, tensor]) => [name, Array.from(tensor.data)]));
}

async function run({ folder, type, dtype, device, inputs, count }) {
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { type, dims, data }]) => {
      const Values = ARRAYS[type];
      const values = type === 'int64' ? data.map(BigInt) : data;
      return [name, new Tensor(type, Values.from(values), dims)];
    }),
  );
  const model = await transformers[type].from_pretrained(folder, { dtype, device });
  try {
    return await (count ? generate(model, tensors, count) : compute(model, tensors));
  } finally {
    await model.dispose();
  }
}

globalThis.start = (request) => {
  globalThis.outcome = undefined;
  run(request).then(
    (result) => (globalThis.outcome = { result }),
    (error) => (globalThis.outcome = { error: String(error?.stack ?? error) }),
  );
};
