// The server's API: models, and chats as streams of events. An API key is kept for the session of the tab only.

const keyName = 'llama4.key';

/** What the server says is wrong; the status is 0 where no answer came. */
export class ApiError extends Error {
  constructor(message, status, code = '', param = '') {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** The server's model: { id, vision, pictures: { tile, max_tiles, enlarge } }. */
export async function fetchModel(askKey) {
  const response = await send('v1/models', { method: 'GET' }, askKey);
  return (await response.json()).data[0];
}

/** The chunks of a streamed chat completion, parsed. An error within the stream is thrown. */
export async function* streamChat(request, signal, askKey) {
  const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
  const response = await send('v1/chat/completions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal }, askKey);
  for await (const data of events(response.body)) {
    if (data === '[DONE]') {
      return;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) {
      throw errorOf(chunk, 0);
    }
    yield chunk;
  }
  throw new ApiError('The answer broke off: the connection was closed.', 0);
}

/** Fetches; asks for a key, and asks again, while the server does not take the one there is. */
async function send(path, options, askKey) {
  for (;;) {
    const key = sessionStorage.getItem(keyName);
    const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    let response;
    try {
      response = await fetch(new URL(path, document.baseURI), { ...options, headers, credentials: 'omit' });
    } catch (error) {
      throw error.name === 'AbortError' ? error : new ApiError('The server cannot be reached.', 0);
    }
    if (response.ok) {
      return response;
    }
    const error = errorOf(await response.json().catch(() => ({})), response.status);
    const given = response.status === 401 ? await askKey(error.message) : null;
    if (!given) {
      throw error;
    }
    sessionStorage.setItem(keyName, given);
  }
}

function errorOf(body, status) {
  const error = body.error ?? {};
  return new ApiError(error.message ?? `The server answered ${status}.`, status, error.code, error.param);
}

/** The data of server-sent events, one line of it each, as this server writes them. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data:')) {
        yield line.slice(5).trim();
      }
    }
  }
}
