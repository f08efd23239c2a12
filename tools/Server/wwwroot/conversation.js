// What was said, kept in the browser. A message of the user: { role, text, pictures }; of the model: { role, text, calls, finish,
// usage, rate, first, stopped, error }, where a call is { id, name, arguments, result }.

const name = 'llama4.conversation';

export class Conversation {
  messages = [];

  /** Reads what was kept; something else under its name is no conversation. */
  constructor() {
    try {
      const kept = JSON.parse(localStorage.getItem(name) ?? '[]');
      this.messages = kept.filter(({ role, text }) => (role === 'user' || role === 'assistant') && typeof text === 'string');
    } catch {
      localStorage.removeItem(name);
    }
  }

  get last() {
    return this.messages.at(-1);
  }

  /** Calls of the last answer that wait for their results. */
  get openCalls() {
    return this.last?.calls?.filter(call => call.result === undefined) ?? [];
  }

  addUser(text, pictures) {
    this.messages.push({ role: 'user', text, pictures });
  }

  /** Begins an answer. */
  addAnswer() {
    const message = { role: 'assistant', text: '', calls: [] };
    this.messages.push(message);
    return message;
  }

  /** Forgets the last answer; false if there is none. */
  dropAnswer() {
    return this.last?.role === 'assistant' && Boolean(this.messages.pop());
  }

  clear() {
    this.messages = [];
    localStorage.removeItem(name);
  }

  /**
   * Keeps everything, or, where the browser has no room for that, everything but the pictures; false then. They stay in the open
   * page.
   */
  save() {
    try {
      localStorage.setItem(name, JSON.stringify(this.messages));
      return true;
    } catch {
      const bare = this.messages.map(message => message.pictures ? { ...message, pictures: message.pictures.map(picture => ({ ...picture, url: null })) } : message);
      try {
        localStorage.setItem(name, JSON.stringify(bare));
      } catch {
        localStorage.removeItem(name);
      }
      return false;
    }
  }

  /** The messages as the API takes them. */
  toRequest(system) {
    const said = this.messages.flatMap(message => message.role === 'user' ? [userMessage(message)] : assistantMessages(message));
    return system ? [{ role: 'system', content: system }, ...said] : said;
  }
}

function userMessage({ text, pictures = [] }) {
  const seen = pictures.filter(picture => picture.url).map(picture => ({ type: 'image_url', image_url: { url: picture.url } }));
  return { role: 'user', content: seen.length === 0 ? text : text ? [...seen, { type: 'text', text }] : seen };
}

function assistantMessages({ text, calls = [] }) {
  if (calls.length === 0) {
    // Nothing was said before it was stopped or failed.
    return text ? [{ role: 'assistant', content: text }] : [];
  }
  const made = calls.map(call => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } }));
  const results = calls.filter(call => call.result !== undefined).map(call => ({ role: 'tool', tool_call_id: call.id, content: call.result }));
  return [{ role: 'assistant', content: text || null, tool_calls: made }, ...results];
}
