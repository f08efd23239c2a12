// Tells screen readers of an answer while it comes: whole sentences, and not more often than they can be spoken.

const pause = 3000;

export class Announcer {
  #region;
  #told = 0;
  #last = 0;

  constructor(region) {
    this.#region = region;
  }

  /** A new answer begins. */
  begin(message) {
    this.#told = 0;
    this.#last = performance.now();
    this.say(message);
  }

  /** The answer so far. */
  grow(text) {
    const now = performance.now();
    if (now - this.#last < pause) {
      return;
    }
    const end = Math.max(...['. ', '! ', '? ', '\n'].map(mark => text.lastIndexOf(mark))) + 1;
    if (end > this.#told) {
      this.say(text.slice(this.#told, end));
      this.#told = end;
      this.#last = now;
    }
  }

  /** The answer is over; what was not told yet is, and how it ended. */
  end(text, how = '') {
    this.say([text.slice(this.#told).trim(), how].filter(Boolean).join(' '));
  }

  say(message) {
    this.#region.textContent = message;
  }
}
