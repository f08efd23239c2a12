// Asks a server as JavaScript programs do: node clients.mjs BASE PICTURE. Prints a line a check; the first failure ends it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';

const [base, picture] = process.argv.slice(2);
const model = 'sample-model';
const question = 'How many experts does Scout have?';
const image = 'data:image/png;base64,' + readFileSync(picture).toString('base64');
const getTime = { type: 'function', function: { name: 'get_time', description: 'Time in a city', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };

const openai = new OpenAI({ baseURL: base, apiKey: 'unused', maxRetries: 0 });
const vercel = createOpenAICompatible({ name: 'llama4', baseURL: base, apiKey: 'unused', includeUsage: true })(model);

const checks = {
  async 'openai chats and streams'() {
    const whole = await openai.chat.completions.create({ model, temperature: 0, messages: [{ role: 'user', content: question }] });
    assert.match(whole.choices[0].message.content, /16/);
    const stream = await openai.chat.completions.create({ model, temperature: 0, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: question }] });
    let text = '', usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  },
  async 'openai calls tools'() {
    const messages = [{ role: 'user', content: 'What time is it in Oslo?' }];
    const asked = await openai.chat.completions.create({ model, temperature: 0, messages, tools: [getTime], tool_choice: 'required' });
    assert.equal(asked.choices[0].finish_reason, 'tool_calls');
    const [call] = asked.choices[0].message.tool_calls;
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Oslo' });
    messages.push(asked.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '{"time": "14:05"}' });
    const told = await openai.chat.completions.create({ model, temperature: 0, messages, tools: [getTime], tool_choice: 'none' });
    assert.match(told.choices[0].message.content, /14:05/);
  },
  async 'openai sees pictures'() {
    const seen = await openai.chat.completions.create({ model, temperature: 0, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: image } }, { type: 'text', text: 'What is in the picture?' }] }] });
    assert.ok(seen.choices[0].message.content.length > 3);
  },
  async 'openai reads errors'() {
    await assert.rejects(openai.chat.completions.create({ model: 'other', messages: [] }), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found' && e.param === 'model');
    await assert.rejects(openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'a' }], temperature: 9 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'temperature');
  },
  async 'openai cancels'() {
    const stream = await openai.chat.completions.create({ model, stream: true, ignore_eos: true, messages: [{ role: 'user', content: 'Count.' }] });
    for await (const _ of stream) {
      stream.controller.abort();
    }
    assert.ok(stream.controller.signal.aborted);
  },
  async 'openai takes responses'() {
    const whole = await openai.responses.create({ model, temperature: 0, input: question });
    assert.match(whole.output_text, /16/);
    const events = [];
    for await (const event of openai.responses.stream({ model, temperature: 0, input: question })) {
      events.push(event);
    }
    assert.equal(events.at(-1).type, 'response.completed');
    assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), whole.output_text);
  },
  async 'openai lists models and completes'() {
    assert.deepEqual((await openai.models.list()).data.map((one) => one.id), [model]);
    const whole = await openai.completions.create({ model, prompt: 'Hello', max_tokens: 4, temperature: 0 });
    assert.equal(whole.usage.completion_tokens <= 4, true);
  },
  async 'ai chats and streams'() {
    const whole = await generateText({ model: vercel, temperature: 0, prompt: question });
    assert.match(whole.text, /16/);
    const stream = streamText({ model: vercel, temperature: 0, prompt: question });
    let text = '';
    for await (const piece of stream.textStream) {
      text += piece;
    }
    assert.equal(text, whole.text);
    assert.ok((await stream.usage).outputTokens > 4);
  },
  async 'ai calls tools'() {
    const asked = [];
    const tools = { get_time: tool({ description: 'Time in a city', inputSchema: jsonSchema(getTime.function.parameters), execute: ({ city }) => (asked.push(city), { time: '14:05' }) }) };
    const result = await generateText({ model: vercel, temperature: 0, tools, stopWhen: stepCountIs(2), prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }), prompt: 'What time is it in Oslo?' });
    assert.deepEqual(asked, ['Oslo']);
    assert.match(result.text, /14:05/);
  },
  async 'ai sees pictures and reads errors'() {
    const seen = await generateText({ model: vercel, temperature: 0, messages: [{ role: 'user', content: [{ type: 'image', image }, { type: 'text', text: 'What is in the picture?' }] }] });
    assert.ok(seen.text.length > 3);
    await assert.rejects(generateText({ model: vercel, temperature: 9, prompt: 'a', maxRetries: 0 }), (e) => e.statusCode === 400);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(`failed: ${name}`);
    throw error;
  }
  console.log(`passed: ${name}`);
}
