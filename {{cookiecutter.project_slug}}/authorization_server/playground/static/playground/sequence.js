// Draws steps as a sequence diagram in SVG. The list below the diagram says the same in words.
const SVG = "http://www.w3.org/2000/svg";
const [BROWSER, API, SERVER, ROW, TOP] = [0, 1, 2, 36, 58]; // lanes, and pixels

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The rows of one step: request, introspection or a look into the cache, answer.
function rowsOf(step, number) {
  if (step.pause) return [step];
  const to = step.to === "api" ? API : SERVER, kind = step.verdictKind;
  const rows = [{ number, from: BROWSER, to, text: step.sent }];
  if (step.source === "introspection") {
    rows.push({ from: API, to: SERVER, text: "introspection" });
    rows.push({ from: SERVER, to: API, text: step.verdict, kind, isAnswer: true, isLost: kind === "wait" });
  } else if (step.source === "cache") rows.push({ cache: step.verdict, kind });
  if (step.answer) rows.push({ from: to, to: BROWSER, text: step.answer, kind: step.kind, isAnswer: true });
  return rows;
}

function arrow(row, x, y) {
  const [start, target] = [x[row.from], x[row.to]], forward = Math.sign(target - start);
  const from = start + forward * (row.number ? 13 : 4);
  const end = row.isLost ? (start + target) / 2 : target - forward * 4;
  const group = node("g", { class: `${row.kind ?? ""} ${row.isAnswer ? "answer" : ""}` },
    node("path", { class: "line", d: `M${from} ${y}H${end}` }),
    node("path", row.isLost ? { class: "cross", d: `M${end - 5} ${y - 5}l10 10m0-10l-10 10` }
      : { class: "tip", d: `M${end} ${y}l${-9 * forward}-5v10z` }),
    node("text", { class: "label", x: (row.isLost ? start + end : from + target) / 2, y: y - 8 }, row.text));
  if (row.number) {
    group.append(node("circle", { class: "disc", cx: start, cy: y, r: 10 }),
      node("text", { class: "digit", x: start, y: y + 4 }, String(row.number)));
  }
  return group;
}

function pill(row, x, y) {
  const text = `cache: ${row.cache}`, width = 7 * text.length + 16;
  return node("g", { class: row.kind },
    node("rect", { class: "pill", x: x[API] - width / 2, y: y - 21, width, height: 24, rx: 12 }),
    node("text", { class: "inside", x: x[API], y: y - 5 }, text));
}

function lane(title, x, width, bottom) {
  const half = Math.min(86, width / 6 - 3);
  const words = title.length * 8 > 2 * half ? title.split(" ") : [title];
  return node("g", {},
    node("path", { class: "life", d: `M${x} 44V${bottom}` }),
    node("rect", { class: "lane", x: x - half, y: 0, width: 2 * half, height: 44, rx: 8 }),
    ...words.map((word, index) => node("text", { class: "head", x, y: 35 - 8 * words.length + 16 * index }, word)));
}

export function draw(container, apiTitle, steps) {
  const width = container.clientWidth;
  if (!width) return; // It is not laid out.
  const x = [width / 6, width / 2, (5 * width) / 6];
  let number = 0;
  const rows = steps.flatMap((step) => rowsOf(step, step.pause ? 0 : ++number));
  const height = TOP + ROW * Math.max(rows.length, 3);
  const picture = node("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-labelledby": "title why" });
  ["Browser", apiTitle, "Authorization server"].forEach((title, index) => picture.append(lane(title, x[index], width, height)));
  rows.forEach((row, index) => {
    const y = TOP + ROW * index + 24;
    const pause = row.pause && node("text", { class: "label pause", x: x[API], y: y - 4 }, row.pause);
    picture.append(pause || (row.cache ? pill(row, x, y) : arrow(row, x, y)));
  });
  container.replaceChildren(picture);
}
