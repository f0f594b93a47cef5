// The page's behaviour: lets worker.js load a model folder and continue a prompt, and shows how it goes.
//
// Settings come from the address, all optional:
//   ?model=gemma-web &dtype=fp16 &device=webgpu &count=64 &prompt=…   what the form starts with
//   &models=models/     where model folders are, relative to this page
//   &library=…          Transformers.js, when not from the CDN
//   &wasm=…             the folder of ONNX Runtime's .wasm files, when not from the CDN
// <body data-state> is idle, loading, generating, done or failed: what a script waits for.

const CDN =
  'https://cdn.jsdelivr.net/npm/@huggingface/transformers@4.3.1/dist/transformers.min.js';
const settings = new URLSearchParams(location.search);
// A path, not an address: Transformers.js looks for a tokenizer beside a local path only.
const models = new URL(settings.get('models') ?? 'models/', location.href).pathname;

const element = (id) => document.getElementById(id);
const fields = ['model', 'dtype', 'device', 'count', 'prompt'];
let current; // {runner, key, padding}: the model in memory
let gpu; // {adapter, half}: whether there is WebGPU, and with shader-f16

function setState(state, status = '') {
  document.body.dataset.state = state;
  element('status').textContent = status;
  const busy = state === 'loading' || state === 'generating';
  element('start').disabled = busy;
  element('stop').disabled = state !== 'generating';
  element('progress').hidden = state !== 'loading';
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;

/** What is wrong, for a person: a message, and perhaps what to do about it. */
class PageError extends Error {
  constructor(message, hint = '') {
    super(message);
    this.hint = hint;
  }
}

async function describeGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const half = adapter?.features.has('shader-f16') ?? false;
  const text = !adapter
    ? 'This browser has no WebGPU here: use the CPU.'
    : half
      ? 'WebGPU with half precision (shader-f16)'
      : 'WebGPU without half precision: fp16 and q4f16 files do not run on it.';
  element('gpu').textContent = text;
  element('gpu').className = `badge ${half ? 'good' : 'bad'}`;
  if (!adapter) element('device').value = 'wasm';
  return { adapter: Boolean(adapter), half };
}

/** Transformers.js asks this of fp16 only; a q4f16 file would fail later, with a shader's error. */
function checkGpu(dtype) {
  if (!gpu.adapter) {
    throw new PageError('This browser has no WebGPU here.', 'Pick the CPU, or another browser.');
  }
  if (dtype.endsWith('16') && !gpu.half) {
    throw new PageError(
      `A ${dtype} file needs half precision (shader-f16), which WebGPU does not have here.`,
      'Pick fp32 or q4, or the CPU.',
    );
  }
}

const suffixes = { fp32: '', q8: '_quantized' };
const modelFile = (dtype) => `model${suffixes[dtype] ?? `_${dtype}`}.onnx`;

/** Returns the bytes of a model's files: the graph, and the data files that config.json promises. */
async function sizeOfFiles(model, dtype) {
  const folder = `${models}${model}/`;
  const response = await fetch(`${folder}config.json`);
  if (!response.ok) {
    throw new PageError(
      `${folder}config.json: ${response.status} ${response.statusText}`,
      'A model folder holds config.json, generation_config.json, tokenizer.json, ' +
        'tokenizer_config.json and onnx/.',
    );
  }
  const external = (await response.json())['transformers.js_config']?.use_external_data_format;
  const file = modelFile(dtype);
  const chunks = Number(
    typeof external === 'object' ? (external?.[file] ?? external?.model ?? 0) : (external ?? 0),
  );
  let bytes = 0;
  for (let part = -1; part < chunks; ++part) {
    const name = part < 0 ? file : `${file}_data${part === 0 ? '' : `_${part}`}`;
    const head = await fetch(`${folder}onnx/${name}`, { method: 'HEAD' });
    if (!head.ok) {
      throw new PageError(
        `${folder}onnx/${name}: ${head.status} ${head.statusText}`,
        'Pick a file that is there, or write it: onnxquant --policy gemma-web model.onnx',
      );
    }
    bytes += Number(head.headers.get('Content-Length') ?? 0);
  }
  return bytes;
}

/** The worker that holds the model, one request at a time. */
class Runner {
  constructor() {
    this.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  }

  /** Sends a request; `watch` has a function for each type of message that comes before the end. */
  request(message, watch) {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if (data.type === 'end') resolve(data.result);
        else if (data.type === 'error') reject(new PageError(data.message, data.hint));
        else watch[data.type]?.(data);
      };
      this.worker.onerror = (event) => reject(new PageError(`worker.js: ${event.message}`));
      this.worker.postMessage(message);
    });
  }

  stop() {
    this.worker.postMessage({ type: 'stop' });
  }

  end() {
    this.worker.terminate();
  }
}

function showProgress({ loaded, total }) {
  element('progress').value = total ? loaded / total : 0;
  element('status').textContent = `${megabytes(loaded)} of ${megabytes(total)}`;
}

/** Ends the model in memory, and gives its memory back. */
function unload() {
  current?.runner.end();
  current = undefined;
}

async function load(model, dtype, device) {
  const key = JSON.stringify([model, dtype, device]);
  if (current?.key === key) return;
  if (device === 'webgpu') checkGpu(dtype);
  unload();
  element('progress').value = 0;
  setState('loading', 'Loading …');
  element('size').textContent = megabytes(await sizeOfFiles(model, dtype));
  const start = performance.now();
  current = { runner: new Runner() };
  const wasm = settings.has('wasm') && new URL(settings.get('wasm'), location.href).href;
  const library = new URL(settings.get('library') ?? CDN, location.href).href;
  const request = { type: 'load', library, wasm, models, model, dtype, device };
  const { padding } = await current.runner.request(request, { progress: showProgress });
  Object.assign(current, { key, padding });
  element('loading').textContent = seconds(performance.now() - start);
}

/** Shows tokens as they come; returns their ids. */
async function generate(prompt, count) {
  const ids = [];
  const start = performance.now();
  let first;
  const token = (message) => {
    ids.push(...message.ids);
    const now = performance.now();
    first ??= now;
    element('tokens').textContent = ids.join(' ');
    element('first').textContent = seconds(first - start);
    if (ids.length > 1) {
      const rate = (1000 * (ids.length - 1)) / (now - first);
      element('speed').textContent = `${rate.toFixed(rate < 10 ? 2 : 0)} tokens/s`;
    }
  };
  const text = (message) => {
    element('text').textContent += message.text;
  };
  setState('generating', 'Generating …');
  await current.runner.request({ type: 'generate', prompt, count }, { token, text });
  return ids;
}

/** A model whose logits are NaN answers with the first token, padding, for ever. */
function checkTokens(ids, dtype) {
  const { padding } = current;
  if (ids.length === 0 || ids.some((id) => id !== padding)) return;
  throw new PageError(
    `The model wrote nothing but padding (token ${padding}), ${ids.length} times.`,
    dtype.endsWith('16')
      ? 'That is what NaN looks like: sums inside the model passed 65504, the end of float16. ' +
          'Convert with --policy gemma-safe or gemma-web, which keep them in float32.'
      : 'Its logits are probably NaN.',
  );
}

function clear() {
  element('error').hidden = true;
  for (const id of ['echo', 'text', 'tokens']) element(id).textContent = '';
  for (const id of ['speed', 'first']) element(id).textContent = '–';
}

function showError(error) {
  element('error').hidden = false;
  element('error-text').textContent = error.message ?? String(error);
  element('error-hint').textContent = error.hint ?? '';
  setState('failed');
}

async function run() {
  const [model, dtype, device, count, prompt] = fields.map((id) => element(id).value);
  clear();
  try {
    await load(model, dtype, device);
    const chat = element('chat').checked;
    element('echo').textContent = chat ? '' : prompt;
    const ids = await generate(chat ? [{ role: 'user', content: prompt }] : prompt, Number(count));
    checkTokens(ids, dtype);
    setState('done', `${ids.length} tokens`);
  } catch (error) {
    console.error(error);
    unload(); // what failed may have broken the model: the next click loads it anew
    showError(error);
  }
}

for (const id of fields) {
  if (settings.has(id)) element(id).value = settings.get(id);
}
element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  run();
});
element('stop').addEventListener('click', () => current?.runner.stop());
gpu = await describeGpu();
setState('idle');
