// xterm.js writes <style> elements when it opens and style attributes on the spans it draws; `style-src 'self'` blocks both.
// The same rules are allowed as constructed style sheets and the same styles through the CSSOM, so they go there.
// (Its option documentOverride does not help: 6.0.0 uses the page's own document for the scrollbar and for the rows.)

function styleElement(): HTMLElement {
  const sheet = new CSSStyleSheet();
  const element = document.createElementNS('http://www.w3.org/1999/xhtml', 'span') as HTMLElement;
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

/** Runs work, which is synchronous, while <style> elements made by it are stand-ins. */
export function strictly<T>(work: () => T): T {
  const create = (tag: string, options?: ElementCreationOptions) =>
    tag === 'style' ? styleElement() : Document.prototype.createElement.call(document, tag, options);
  document.createElement = create as typeof document.createElement;
  try {
    return work();
  } finally {
    delete (document as Partial<Document>).createElement; // the prototype's own shows again
  }
}

/** Lets spans take setAttribute('style', …) through the CSSOM: the same effect by the way the policy allows. */
export function allowSpanStyles(): void {
  HTMLSpanElement.prototype.setAttribute = function setAttribute(name: string, value: string) {
    if (name === 'style') this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
  };
}
