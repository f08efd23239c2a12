// Text of the model as paragraphs and blocks of code. It becomes text nodes only, never markup.

/** Shows text in an element; blocks that are as before stay, so that a growing text costs its last block only. */
export function showText(element, text) {
  const blocks = blocksOf(text);
  blocks.forEach((block, i) => {
    const before = element.children[i];
    if (before?.source === block.source && before.isCode === block.isCode) {
      return;
    }
    const shown = block.isCode ? codeBlock(block) : paragraph(block);
    shown.source = block.source;
    shown.isCode = block.isCode;
    before ? before.replaceWith(shown) : element.append(shown);
  });
  while (element.children.length > blocks.length) {
    element.lastChild.remove();
  }
}

/** Paragraphs, and code between fences; a fence that is still open goes to the end. */
export function blocksOf(text) {
  const blocks = [];
  let lines = [];
  let fence = null;
  const end = (isCode, language = '') => {
    if (lines.length > 0 || isCode) {
      blocks.push({ isCode, language, source: lines.join('\n') });
    }
    lines = [];
  };
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/.exec(line);
    if (fence) {
      if (mark && mark[1].startsWith(fence.mark) && !mark[2]) {
        end(true, fence.language);
        fence = null;
      } else {
        lines.push(line);
      }
    } else if (mark) {
      end(false);
      fence = { mark: mark[1], language: mark[2].trim() };
    } else if (line.trim() === '') {
      end(false);
    } else {
      lines.push(line);
    }
  }
  end(Boolean(fence), fence?.language);
  return blocks;
}

function paragraph({ source }) {
  const element = document.createElement('p');
  element.dir = 'auto';
  // Every second piece stands between backticks.
  source.split(/`([^`\n]+)`/).forEach((piece, i) => {
    if (i % 2 === 0) {
      element.append(piece);
    } else {
      const code = document.createElement('code');
      code.textContent = piece;
      element.append(code);
    }
  });
  return element;
}

function codeBlock({ source, language }) {
  const element = document.createElement('pre');
  const code = document.createElement('code');
  code.textContent = source;
  element.append(code);
  // It may be wider than the page: whoever has no mouse scrolls it, too.
  element.tabIndex = 0;
  element.setAttribute('role', 'group');
  element.setAttribute('aria-label', language ? `Code, ${language}` : 'Code');
  return element;
}
