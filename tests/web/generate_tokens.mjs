// Prints as JSON the tokens with which Transformers.js, in Node.js on the CPU, continues a prompt.
//
//   node generate_tokens.mjs FOLDER DTYPE TOKEN,TOKEN… COUNT   (modules are found by NODE_MODULES)
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';

const require = createRequire(`${process.env.NODE_MODULES}/`);
// The image codecs are not installed, and a text model needs none: an empty module in their place.
const codecs = require.resolve('sharp');
require.cache[codecs] = { id: codecs, filename: codecs, loaded: true, exports: {} };
const { AutoModelForCausalLM, Tensor, env } = require('@huggingface/transformers');
const [folder, dtype, list, count] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

const model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype, device: 'cpu' });
const prompt = list.split(',').map(BigInt);
const integers = (values) => new Tensor('int64', BigInt64Array.from(values), [1, values.length]);
const output = await model.generate({
  input_ids: integers(prompt),
  attention_mask: integers(prompt.map(() => 1n)),
  max_new_tokens: Number(count),
  do_sample: false,
  eos_token_id: -1,
});
console.log(JSON.stringify(Array.from(output.data, Number).slice(prompt.length)));
