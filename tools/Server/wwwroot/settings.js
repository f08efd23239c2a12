// The options of requests, kept in the browser, and the colours.

const name = 'llama4.options';
const numbers = ['temperature', 'top_p', 'top_k', 'min_p', 'max_completion_tokens', 'seed'];
const exampleTools = [{
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}];

export class Settings {
  #form;
  #error = document.getElementById('tools-error');

  constructor(form) {
    this.#form = form;
    this.#restore();
    form.addEventListener('input', () => {
      this.#check();
      this.#keep();
    });
    form.addEventListener('submit', event => event.preventDefault());
    document.getElementById('example-tools').addEventListener('click', () => {
      this.#field('tools').value = JSON.stringify(exampleTools, null, 2);
      this.#field('tools').dispatchEvent(new Event('input', { bubbles: true }));
    });
    this.#check();
  }

  get system() {
    return this.#field('system').value.trim();
  }

  /** The field that is not as it must be; null if all are. */
  get wrongField() {
    return this.#form.querySelector(':invalid:not(fieldset)');
  }

  /** The fields of a request; those that are empty are left out. */
  toRequest() {
    const request = {};
    for (const field of numbers) {
      if (this.#field(field).value !== '') {
        request[field] = this.#field(field).valueAsNumber;
      }
    }
    const stop = this.#field('stop').value.split('\n').filter(line => line !== '');
    if (stop.length > 0) {
      request.stop = stop;
    }
    const tools = readTools(this.#field('tools').value);
    if (tools.length > 0) {
      request.tools = tools;
      request.tool_choice = this.#field('tool_choice').value;
    }
    return request;
  }

  #field(field) {
    return this.#form.elements[field];
  }

  #check() {
    const tools = this.#field('tools');
    let wrong = '';
    try {
      readTools(tools.value);
    } catch (error) {
      wrong = error.message;
    }
    tools.setCustomValidity(wrong);
    this.#error.textContent = wrong;
    this.#error.hidden = !wrong;
    for (const field of this.#form.elements) {
      field.setAttribute?.('aria-invalid', String(!field.validity.valid));
    }
  }

  #keep() {
    try {
      localStorage.setItem(name, JSON.stringify(Object.fromEntries(new FormData(this.#form))));
    } catch {
      // No room: the options hold until the page is closed.
      localStorage.removeItem(name);
    }
  }

  #restore() {
    try {
      for (const [field, value] of Object.entries(JSON.parse(localStorage.getItem(name) ?? '{}'))) {
        if (this.#field(field) && typeof value === 'string') {
          this.#field(field).value = value;
        }
      }
    } catch {
      localStorage.removeItem(name);
    }
  }
}

/** Tools as the API takes them, from a list of them or of their functions alone. Throws an Error for people. */
function readTools(text) {
  if (text.trim() === '') {
    return [];
  }
  let tools;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  if (!Array.isArray(tools) || tools.some(tool => typeof (tool?.function ?? tool)?.name !== 'string')) {
    throw new Error('This is to be a list of functions, each with a name.');
  }
  return tools.map(tool => tool.function ? tool : { type: 'function', function: tool });
}

/** Lets a choice of colours follow the system, or not, and remembers it. */
export function bindTheme(select) {
  select.value = document.documentElement.dataset.theme;
  select.addEventListener('change', () => {
    document.documentElement.dataset.theme = select.value;
    localStorage.setItem('llama4.theme', select.value);
  });
}
