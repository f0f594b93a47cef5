// Runs the model apart from the page, which so stays alive while a model loads and computes.
//
// Takes {type: 'load', library, wasm, models, model, dtype, device}, {type: 'generate', prompt, count}
// and {type: 'stop'}. Sends {type: 'progress', loaded, total}, {type: 'token', ids}, {type: 'text',
// text}, and at the end of each request {type: 'end', result} or {type: 'error', message, hint}.

let transformers;
let generator;
let stopper;

async function load({ library, wasm, models, model, dtype, device }) {
  try {
    transformers ??= await import(library);
  } catch (error) {
    const hint = 'Is there a network? A local copy is given with ?library=…';
    throw Object.assign(new Error(`Transformers.js did not load from ${library}: ${error.message}`), {
      hint,
    });
  }
  const { env, InterruptableStoppingCriteria, pipeline } = transformers;
  Object.assign(env, {
    allowRemoteModels: false,
    allowLocalModels: true,
    localModelPath: models,
    useBrowserCache: false,
  });
  if (wasm) env.backends.onnx.wasm.wasmPaths = wasm;
  await generator?.dispose();
  generator = undefined;
  generator = await pipeline('text-generation', model, {
    dtype,
    device,
    progress_callback: ({ status, loaded, total }) => {
      if (status === 'progress_total') postMessage({ type: 'progress', loaded, total });
    },
  });
  // On the CPU nothing between two tokens waits for anything, so a message to stop would never be
  // read: wait a moment for it.
  const forward = generator.model.forward.bind(generator.model);
  generator.model.forward = async (inputs) => {
    await new Promise((resolve) => setTimeout(resolve));
    return forward(inputs);
  };
  stopper = new InterruptableStoppingCriteria();
  return { padding: generator.tokenizer.pad_token_id ?? 0 };
}

async function generate({ prompt, count }) {
  stopper.reset();
  const streamer = new transformers.TextStreamer(generator.tokenizer, {
    skip_prompt: true,
    skip_special_tokens: true,
    token_callback_function: (tokens) => postMessage({ type: 'token', ids: tokens.map(Number) }),
    callback_function: (text) => postMessage({ type: 'text', text }),
  });
  await generator(prompt, {
    max_new_tokens: count,
    do_sample: false,
    streamer,
    stopping_criteria: stopper,
  });
}

self.addEventListener('message', async ({ data }) => {
  if (data.type === 'stop') {
    stopper?.interrupt();
    return;
  }
  try {
    postMessage({ type: 'end', result: await (data.type === 'load' ? load(data) : generate(data)) });
  } catch (error) {
    console.error(error);
    postMessage({ type: 'error', message: error?.message ?? String(error), hint: error?.hint ?? '' });
  }
});
