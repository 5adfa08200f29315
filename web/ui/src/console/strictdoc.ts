// xterm.js writes <style> elements and style attributes, which `style-src 'self'` blocks. This document gives it elements
// that put the same rules into constructed style sheets and the same styles through the CSSOM, which the policy allows.

function styleElement(): HTMLElement {
  const sheet = new CSSStyleSheet();
  const element = document.createElement('span');
  element.hidden = true;
  let text = '';
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (to: string) => {
      text = to;
      sheet.replaceSync(to);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
    Element.prototype.remove.call(element);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return element;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === 'style') this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

function createElement(tag: string): HTMLElement {
  if (tag === 'style') return styleElement();
  const element = document.createElement(tag);
  if (tag === 'span') element.setAttribute = setAttribute;
  return element;
}

/** A view of the page's document for ITerminalOptions.documentOverride; it stays an instance of Document. */
export function strictDocument(): Document {
  return new Proxy(document, {
    get(target, key) {
      if (key === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}
