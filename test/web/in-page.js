/* Helpers that page.test.ts runs inside of the page. */

// biome-ignore-all lint/correctness/noUnusedVariables: they are called by name.

function isDrawn(canvas) {
  return canvas
    .getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height)
    .data.some((value) => value !== 0);
}

/** Whether the focus can be seen: on the element, or on the words of a radio button. */
function focusShows() {
  const element = document.activeElement;
  const shown = element?.type === "radio" ? element.nextElementSibling : element;
  return shown === null || shown === document.body || getComputedStyle(shown).outlineStyle !== "none";
}

/** Elements that a screen reader could only call "button" or "image". */
function unnamed() {
  return [...document.querySelectorAll("a, button, input, summary, img, [role=img], [role=region]")]
    .filter((element) => {
      const label = element.getAttribute("aria-label") ?? element.closest("label")?.textContent ?? element.textContent;
      return element.getAttribute("alt") === null && !label?.trim();
    })
    .map((element) => element.outerHTML.slice(0, 100));
}

/** Texts whose contrast is under 4.5 to 1 (WCAG 2.2, 1.4.3). */
function faintTexts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (color) => {
    const [r, g, b] = [...color].map((value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const ground = rgba(getComputedStyle(each).backgroundColor);
      if (ground[3] > 250) return ground;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".unseen, .skip, noscript")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(groundOf(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${element.textContent.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return faint;
}
