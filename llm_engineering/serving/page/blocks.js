// Splits Markdown into blocks, line by line. Every test takes linear time, whatever is written: no regular expression
// here can backtrack, and what would need one is done by hand.

export const ITEM = /^(\s*)(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;

/** Split Markdown into its outermost blocks: `{kind, lines, …}`, of which `raw` is the text. */
export function blocksOf(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const block = blockAt(lines, at);
    block.raw = lines.slice(at, block.end).join("\n");
    blocks.push(block);
    at = block.end;
  }
  return blocks;
}

function blockAt(lines, at) {
  const line = lines[at];
  const fence = fenceOf(line);
  if (fence) return fenced(lines, at, fence);
  const heading = headingOf(line);
  if (heading) return { kind: "heading", ...heading, end: at + 1 };
  if (RULE.test(line)) return { kind: "rule", end: at + 1 };
  if (QUOTE.test(line)) {
    const end = runOf(lines, at, (next) => QUOTE.test(next));
    return { kind: "quote", lines: lines.slice(at, end).map((next) => QUOTE.exec(next)[1]), end };
  }
  if (ITEM.test(line)) {
    const end = endOfList(lines, at);
    return { kind: "list", lines: lines.slice(at, end), end };
  }
  if (line.includes("|") && at + 1 < lines.length && isTableRule(lines[at + 1])) {
    const end = runOf(lines, at + 2, (next) => next.includes("|"));
    return { kind: "table", head: line, lines: lines.slice(at + 2, end), end };
  }
  const end = runOf(lines, at + 1, (next) => next.trim() && !startsBlock(next));
  return { kind: "paragraph", lines: lines.slice(at, end), end };
}

function startsBlock(line) {
  return fenceOf(line) || headingOf(line) || QUOTE.test(line) || RULE.test(line) || ITEM.test(line);
}

function runOf(lines, from, belongs) {
  let end = from;
  while (end < lines.length && belongs(lines[end])) end += 1;
  return end;
}

/** The marks that open a code block (three or more of one kind), or null. */
function fenceOf(line) {
  const text = line.trimStart();
  const sign = text[0];
  if ((sign !== "`" && sign !== "~") || line.length - text.length > 3) return null;
  const mark = text.slice(0, runLength(text, sign));
  const isFence = mark.length >= 3 && !(sign === "`" && text.includes("`", mark.length));
  return isFence ? mark : null;
}

function headingOf(line) {
  const text = line.trim();
  const level = runLength(text, "#");
  if (level < 1 || level > 6 || !/\s/.test(text[level] ?? " ")) return null;
  let end = text.length;
  while (end > level && text[end - 1] === "#") end -= 1;
  return { level, text: text.slice(level, end).trim() };
}

function isTableRule(line) {
  return line.includes("-") && cellsOf(line).every((cell) => /^:?-+:?$/.test(cell));
}

function runLength(text, sign) {
  let length = 0;
  while (text[length] === sign) length += 1;
  return length;
}

function fenced(lines, at, mark) {
  const closes = (line) => line.trim().startsWith(mark) && runLength(line.trim(), mark[0]) === line.trim().length;
  const end = runOf(lines, at + 1, (line) => !closes(line));
  return { kind: "code", lines: lines.slice(at + 1, end), end: Math.min(end + 1, lines.length) };
}

function endOfList(lines, at) {
  let end = at + 1;
  while (end < lines.length) {
    const line = lines[end];
    const goesOn = end + 1 < lines.length && (ITEM.test(lines[end + 1]) || /^\s{2,}\S/.test(lines[end + 1]));
    const loose = !line.trim() && goesOn;
    const continues = line.trim() && (ITEM.test(line) || /^\s/.test(line) || !startsBlock(line));
    if (!loose && !continues) break;
    end += 1;
  }
  return end;
}

/** The cells of a line of a table. */
export function cellsOf(line) {
  const cells = line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/);
  return cells.slice(0, 50).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
