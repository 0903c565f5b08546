// The thought inspector of reports/index.html: reads the JSON beside it, asks nobody, and writes
// texts of models as text only (textContent), never as HTML.
(() => {
  "use strict";
  const FULL = 3; // nats at which a colour is at its strongest
  const page = document.getElementById("inspector");
  const data = JSON.parse(document.getElementById("inspected").textContent);
  const part = (name) => page.querySelector("." + name);
  const state = { text: 0, arm: data.chosen, over: "own", token: 0 };

  const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const signed = (x) => (x < 0 ? "\u2212" : "+") + Math.abs(x).toFixed(2);
  const percent = (p) => (p < 0.0005 ? "<\u00a00.1\u00a0%" : (100 * p).toFixed(1) + "\u00a0%");
  const known = () => data.found[state.arm][state.text];

  // What thought k before token i is compared with: log p of the token, in nats.
  const OVER = {
    own: (row, i) => row.direct[i],
    base: (row, i) => data.found[data.base][state.text].direct[i],
    empty: (row, i) => row.empty[i],
    control: (row, i, k) =>
      Math.max(row.empty[i], ...[row.other[i][k], row.random[i][k]].filter((x) => x !== undefined)),
  };
  const earned = (row, i, values) => values.map((x, k) => x - OVER[state.over](row, i, k));
  const gain = (row, i) => mean(earned(row, i, row.thinking[i]));

  function made(tag, text = "", className = "") {
    const element = document.createElement(tag);
    element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function visible(token) {
    const shown = token.replaceAll("\n", "\u23ce").replaceAll("\t", "\u21e5");
    return shown.trim() ? shown : shown.replaceAll(" ", "\u2423") || "\u2205";
  }

  function tinted(element, value) {
    const size = Math.min(Math.abs(value) / FULL, 1);
    element.classList.toggle("loss", value < 0);
    element.style.setProperty("--strength", size < 0.02 ? "0" : (0.06 + 0.54 * size).toFixed(3));
  }

  const buttons = () => [...part("tokens").querySelectorAll("button")];

  function drawTokens() {
    const text = data.texts[state.text];
    const box = part("tokens");
    box.replaceChildren(made("span", text.before, "soft"));
    text.tokens.forEach((token, i) => {
      const button = made("button", visible(token));
      button.type = "button";
      button.addEventListener("click", () => choose(i));
      box.append(button);
      if (token.includes("\n")) box.append(document.createElement("br"));
    });
    const cut = [];
    if (text.before_tokens) cut.push(`${text.before_tokens} tokens before, which the model reads`);
    if (text.after_tokens) cut.push(`${text.after_tokens} tokens behind`);
    part("cut").textContent =
      `${text.tokens.length} tokens of a text of “${text.source}”` +
      (cut.length ? `; not looked at: ${cut.join(", ")}.` : ": all of it.");
    paint();
  }

  function paint() {
    const row = known();
    const tokens = data.texts[state.text].tokens;
    buttons().forEach((button, i) => {
      const value = gain(row, i);
      tinted(button, value);
      button.title = `${signed(value)} nats`;
      button.setAttribute("aria-label", `${visible(tokens[i])}: ${signed(value)} nats`);
      button.setAttribute("aria-pressed", String(i === state.token));
      button.tabIndex = i === state.token ? 0 : -1;
    });
    part("average").textContent =
      `Mean over these tokens: ${signed(mean(tokens.map((_, i) => gain(row, i))))} nats.`;
    detail(row, state.token);
  }

  function choose(i) {
    state.token = i;
    paint();
  }

  // The token that a thought of this arm helps most: what a first look should see.
  function best() {
    const row = known();
    const gains = row.direct.map((_, i) => gain(row, i));
    return gains.indexOf(Math.max(...gains));
  }

  function table(caption, headings, rows) {
    const whole = made("table", "", "dense");
    whole.append(made("caption", caption));
    const head = whole.createTHead().insertRow();
    headings.forEach((text, n) => {
      const cell = made("th", text, n ? "n" : "");
      cell.scope = "col";
      head.append(cell);
    });
    const body = whole.createTBody();
    for (const [cells, kind] of rows) {
      const line = body.insertRow();
      line.className = kind;
      cells.forEach((cell, n) => line.append(cell instanceof Node ? cell : made("td", cell, n ? "n" : "")));
    }
    const wide = made("div", "", "wide");
    wide.append(whole);
    return wide;
  }

  function reward(value) {
    const cell = made("td", signed(value), "n reward");
    tinted(cell, value);
    return cell;
  }

  function thoughtTable(row, i) {
    const rows = row.thinking[i].map((x, k) => {
      const cell = made("td", "", "said");
      cell.append(made("span", `${k + 1} `, "soft"), made("code", row.texts[i][k] || "(empty)"));
      if (!row.closed[i][k]) cell.append(made("span", " cut at its limit", "soft"));
      const length = String(row.lengths[i][k]);
      return [[cell, reward(earned(row, i, row.thinking[i])[k]), percent(Math.exp(x)), length], "thought"];
    });
    const same = row.thinking[i].map(() => row.empty[i]);
    const controls = [
      ["an empty thought", same, "0"],
      ["another text’s thought", row.other[i], ""],
      ["random tokens, as many", row.random[i], ""],
    ];
    for (const [name, values, length] of controls) {
      if (!values.length) continue;
      const average = values === same || values.length === 1 ? "" : ` (mean of ${values.length})`;
      const chance = percent(mean(values.map(Math.exp)));
      rows.push([["control: " + name + average, reward(mean(earned(row, i, values))), chance, length], "control"]);
    }
    return table(
      "Thoughts sampled here, and their controls",
      ["thought", "reward, nats", "the token, after it", "tokens"],
      rows,
    );
  }

  function share(value) {
    const cell = made("td", percent(value), "n share");
    cell.style.setProperty("--share", (100 * value).toFixed(1) + "%");
    return cell;
  }

  function nextTable(row, i) {
    const [direct, empty, ...after] = row.chances[i];
    const rows = row.candidates[i].map((token, c) => {
      const name = made("td");
      name.append(made("code", visible(token)));
      if (c === 0) name.append(made("span", " follows", "soft"));
      const each = after.map((of) => of[c]);
      return [[name, ...[direct[c], mean(each), empty[c], ...each].map(share)], c ? "" : "follows"];
    });
    const headings = ["next token", "without", "after one, mean", "after an empty one", ...after.map((_, k) => `after ${k + 1}`)];
    return table("Next token: without a thought, and after one", headings, rows);
  }

  function detail(row, i) {
    const token = data.texts[state.text].tokens[i];
    const head = made("h3", "Before ");
    head.append(made("code", visible(token)));
    const after = mean(row.thinking[i].map(Math.exp));
    const said =
      `${state.arm} gives it ${percent(Math.exp(row.direct[i]))} without a thought and ` +
      `${percent(after)} after one, on average of ${row.thinking[i].length}. Mean reward: ` +
      `${signed(gain(row, i))} nats.`;
    part("detail").replaceChildren(head, made("p", said), thoughtTable(row, i), nextTable(row, i));
  }

  // The token above or below: the nearest on the next line, as the reader sees it.
  function beside(from, down) {
    const all = buttons();
    const here = all[from].getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let found = from;
    let least = Infinity;
    all.forEach((button, i) => {
      const box = button.getBoundingClientRect();
      const lines = (down ? box.top - here.top : here.top - box.top) / here.height;
      if (lines < 0.5) return;
      const far = Math.abs(box.left + box.width / 2 - middle) + 1e4 * Math.round(lines);
      if (far < least) [found, least] = [i, far];
    });
    return found;
  }

  part("tokens").addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const to = {
      ArrowRight: () => Math.min(at + 1, all.length - 1),
      ArrowLeft: () => Math.max(at - 1, 0),
      ArrowDown: () => beside(at, true),
      ArrowUp: () => beside(at, false),
      Home: () => 0,
      End: () => all.length - 1,
    }[event.key];
    if (at < 0 || !to || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    all[to()].focus();
  });

  function options(select, entries, chosen, changed) {
    for (const [value, text] of entries) {
      const option = made("option", text);
      option.value = value;
      option.selected = value === chosen;
      select.append(option);
    }
    select.addEventListener("change", () => changed(select.value));
  }

  const names = data.texts.map((text, i) => [
    String(i),
    `${i + 1}: ${(text.before + text.tokens.join("")).trim().slice(0, 40)}`,
  ]);
  options(part("text"), names, "0", (value) => {
    state.text = Number(value);
    state.token = best();
    drawTokens();
  });
  const arms = Object.keys(data.found);
  options(part("arm"), arms.map((arm) => [arm, arm]), state.arm, (value) => {
    state.arm = value;
    paint();
  });
  const over = [
    ["own", "its own prediction without a thought"],
    ["base", `${data.base}’s prediction without a thought`],
    ["empty", "an empty thought"],
    ["control", "the best control thought"],
  ];
  options(part("over"), over.filter(([name]) => name !== "base" || data.found[data.base]), "own", (value) => {
    state.over = value;
    paint();
  });
  part("works").hidden = false;
  state.token = best();
  drawTokens();
})();
