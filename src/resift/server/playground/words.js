// Every word on the page, in both languages. {name} is filled in.

const en = {
  playground: "playground", skip: "Skip to the results", docs: "API", shortcuts: "Shortcuts", close: "Close",
  query: "Query", queryHint: "What are you looking for?",
  documents: "Documents", documentsHint: "One per line, with blank lines between, or a JSON array",
  samples: "Examples", model: "Model", readAs: "Read as", topK: "Show best", all: "all", scores: "Scores", raw: "raw",
  asAuto: "detect", asLines: "one per line", asBlocks: "blank lines between", asJson: "JSON", asJsonl: "JSON Lines",
  detected: "{count} documents, {as}", detectedOne: "1 document, {as}", detectedNone: "none yet",
  notJson: "This looks like JSON but is not: {problem}. It is read as {as}.", badJson: "Not JSON: {problem}",
  apiKey: "API key", keyHint: "Kept in this tab only, sent as a Bearer token.",
  rank: "Rank", stop: "Stop", share: "Copy link", shared: "Link copied. It holds these texts behind the #, which browsers send to no server.",
  tooLong: "These texts are too long for a link.", noClipboard: "This browser does not let the page copy. Select and copy by hand.",
  results: "Results", before: "Before", after: "After", beforeLabel: "Order as given", afterLabel: "Order by score",
  emptyTitle: "Put documents in order", emptyText: "Write a query and some documents, or take an example. Nothing leaves this server.",
  working: "Ranking {count} documents …", stopped: "Stopped.",
  done: "{count} documents ranked in {ms}. First is document {first}: {text}",
  summary: "{count} documents", summaryOne: "1 document", tokens: "{count} tokens", fromCache: "{count} known from before",
  trip: "round trip {ms}", tokenization: "tokenise", queue: "queue", inference: "model", network: "network and page",
  partial: "The deadline came first: this is the best order known.",
  up: "up {count}", down: "down {count}", same: "unchanged", place: "Place {place}: document {index}, score {score}, {move}. {text}",
  rest: "{count} documents are not among the best {top}", restOne: "1 document is not among the best {top}", truncated: "cut", truncatedHint: "The end of this document is behind the model's limit of {count} tokens and was not read.",
  pending: "not scored in time", more: "Show all {count}", noScore: "no score",
  callTitle: "The same from code", copy: "Copy", copied: "Copied",
  needQuery: "Write a query first.", needDocuments: "Write or paste at least one document.",
  errorTitle: "The server answered {status}", offlineTitle: "No answer", offline: "The server cannot be reached. Is it still running?",
  notAnswer: "What came back is not an answer of this server.", retry: "The server asks to come back in {seconds} s.",
  keyTitle: "This server wants an API key", ready: "ready", notReady: "engine not ready", unreachable: "unreachable",
  themeAuto: "Auto", themeLight: "Light", themeDark: "Dark", themeLabel: "Colours: {name}",
  explaining: "Leaving out one sentence after another …", explainHint: "Which sentence carried this score?",
  noSentence: "There is no sentence to leave out.",
  bestSays: "Without the marked sentence the score falls from {score} to {without}; alone it scores {alone}.",
  bestLittle: "No sentence carries this score: without the marked one it is {without} instead of {score}.",
  agreeHigh: "Reliable: contributions foretold {percent} of larger cuts in the right order (chance is 50%).",
  agreeMiddle: "Fairly reliable: contributions foretold {percent} of larger cuts in the right order (chance is 50%).",
  agreeLow: "Handle with care: only {percent} of larger cuts came in the foretold order (chance is 50%). The sentences work together or repeat each other.",
  agreeNone: "Too few sentences to check this on larger cuts of the text.",
  unreadSays: "Greyed text was not read by the model.", groupedSays: "Neighbouring sentences were left out together.",
  contribution: "Without it: {without} ({change})", notRead: "Not read by the model",
  legendUp: "raises the score", legendDown: "lowers it", raising: "raises the score by {change}", lowering: "lowers the score by {change}", spent: "{count} tokens, {ms}",
  helpRank: "rank", helpQuery: "to the query", helpMove: "from result to result", helpOpen: "which sentence carried the score", helpClose: "close, or stop ranking", helpCopy: "copy the call", helpHelp: "this list",
};

const zh = {
  playground: "试验台", skip: "跳到结果", docs: "接口文档", shortcuts: "快捷键", close: "关闭",
  query: "查询", queryHint: "您在找什么？",
  documents: "文档", documentsHint: "每行一篇、用空行分隔，或 JSON 数组",
  samples: "示例", model: "模型", readAs: "读取方式", topK: "显示前几名", all: "全部", scores: "分数", raw: "原始",
  asAuto: "自动识别", asLines: "每行一篇", asBlocks: "空行分隔", asJson: "JSON", asJsonl: "JSON Lines",
  detected: "{count} 篇文档，{as}", detectedOne: "1 篇文档，{as}", detectedNone: "暂无",
  notJson: "看起来像 JSON，但无法解析：{problem}。已按“{as}”读取。", badJson: "不是 JSON：{problem}",
  apiKey: "API 密钥", keyHint: "仅保存在本标签页，以 Bearer 令牌发送。",
  rank: "排序", stop: "停止", share: "复制链接", shared: "链接已复制。文本在 # 之后，浏览器不会发送给任何服务器。",
  tooLong: "文本太长，无法放入链接。", noClipboard: "浏览器不允许复制，请手动选择并复制。",
  results: "结果", before: "排序前", after: "排序后", beforeLabel: "原始顺序", afterLabel: "按分数排序",
  emptyTitle: "为文档排序", emptyText: "输入查询和几篇文档，或选择一个示例。内容不会离开这台服务器。",
  working: "正在为 {count} 篇文档排序……", stopped: "已停止。",
  done: "{count} 篇文档排序完成，用时 {ms}。第一名是文档 {first}：{text}",
  summary: "{count} 篇文档", summaryOne: "1 篇文档", tokens: "{count} 个词元", fromCache: "{count} 篇来自缓存",
  trip: "往返 {ms}", tokenization: "分词", queue: "排队", inference: "模型", network: "网络与页面",
  partial: "已到截止时间：这是目前已知的最佳顺序。",
  up: "上升 {count} 位", down: "下降 {count} 位", same: "不变", place: "第 {place} 名：文档 {index}，分数 {score}，{move}。{text}",
  rest: "另有 {count} 篇文档未进入前 {top} 名", restOne: "另有 1 篇文档未进入前 {top} 名", truncated: "已截断", truncatedHint: "文档末尾超出模型 {count} 个词元的上限，未被读取。",
  pending: "未及时评分", more: "显示全部 {count} 篇", noScore: "无分数",
  callTitle: "用代码实现同样的调用", copy: "复制", copied: "已复制",
  needQuery: "请先输入查询。", needDocuments: "请输入或粘贴至少一篇文档。",
  errorTitle: "服务器返回 {status}", offlineTitle: "没有响应", offline: "无法连接服务器，它还在运行吗？",
  notAnswer: "返回的内容不是本服务器的回答。", retry: "请在 {seconds} 秒后重试。",
  keyTitle: "此服务器需要 API 密钥", ready: "就绪", notReady: "引擎未就绪", unreachable: "无法连接",
  themeAuto: "自动", themeLight: "浅色", themeDark: "深色", themeLabel: "配色：{name}",
  explaining: "正在逐句去除并重新评分……", explainHint: "哪一句决定了这个分数？",
  noSentence: "没有可以去除的句子。",
  bestSays: "去掉标记的句子，分数从 {score} 降到 {without}；仅保留这一句，分数为 {alone}。",
  bestLittle: "没有哪一句决定这个分数：去掉标记的句子后为 {without}，原来是 {score}。",
  agreeHigh: "可靠：对更大幅度的删减，贡献值正确预测了 {percent} 的先后（随机为 50%）。",
  agreeMiddle: "比较可靠：对更大幅度的删减，贡献值正确预测了 {percent} 的先后（随机为 50%）。",
  agreeLow: "请谨慎：只有 {percent} 的删减符合预测（随机为 50%）。这些句子相互配合或内容重复。",
  agreeNone: "句子太少，无法用更大幅度的删减来检验。",
  unreadSays: "灰色文字未被模型读取。", groupedSays: "相邻的句子被一起去除。",
  contribution: "去掉它：{without}（{change}）", notRead: "未被模型读取",
  legendUp: "提高分数", legendDown: "降低分数", raising: "使分数提高 {change}", lowering: "使分数降低 {change}", spent: "{count} 个词元，{ms}",
  helpRank: "排序", helpQuery: "转到查询框", helpMove: "在结果之间移动", helpOpen: "哪一句决定了分数", helpClose: "关闭，或停止排序", helpCopy: "复制调用代码", helpHelp: "本列表",
};

const languages = { en, zh };
let current = "en";

/** Return the word of a key in the page's language. */
export function t(key, values = {}) {
  return languages[current][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export const language = () => current;

/** Set the language and every marked text of the page. */
export function speak(name) {
  current = name in languages ? name : "en";
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
}

/** Return the first of the browser's languages that the page speaks. */
export function browserLanguage() {
  for (const wanted of navigator.languages ?? [navigator.language]) {
    const name = wanted.toLowerCase().split("-")[0];
    if (name in languages) return name;
  }
  return "en";
}

export const keysOf = () => Object.fromEntries(Object.entries(languages).map(([name, words]) => [name, Object.keys(words)]));

/** Return milliseconds for people. */
export function duration(ms) {
  if (ms >= 10000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 10 || ms === 0 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

export const number = (value) => value.toLocaleString(current === "zh" ? "zh-CN" : "en-US");
