// Which sentence carried a score: the answer of /explain as a marked text and a verdict in words.

import { make } from "./dom.js";
import { scoreText } from "./board.js";
import { duration, number, t } from "./words.js";

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

/** Return what is shown of an explanation in raw scores; `scores` is the scale of the page. */
export function explanationView(found, scores, elapsed) {
  if (found.best === null) return make("p", { class: "verdict" }, t("noSentence"));
  const show = (logit) => scoreText(scores === "raw" ? logit : sigmoid(logit), scores);
  const best = found.sentences[found.best];
  return make("div", { class: "explanation" },
    make("p", { class: "sentences", dir: "auto" }, ...marked(found, show)),
    legend(),
    make("p", { class: "verdict" }, verdict(found, best, show), " ", trust(found.faithfulness.agreement)),
    remarks(found),
    make("p", { class: "quiet" }, t("spent", { count: number(found.tokens), ms: duration(elapsed) })),
  );
}

function marked(found, show) {
  const largest = Math.max(...found.sentences.map((sentence) => Math.abs(sentence.contribution)), 1e-9);
  const characters = Array.from(found.text);
  return found.sentences.flatMap((sentence, place) => {
    const whole = characters.slice(sentence.start, sentence.end).join("");
    const kernel = whole.trim();
    const at = whole.indexOf(kernel);
    const classes = ["sentence"];
    if (!sentence.read) classes.push("unread");
    else classes.push(sentence.contribution >= 0 ? "raises" : "lowers", `level-${level(sentence.contribution, largest)}`);
    if (place === found.best) classes.push("carrier");
    const note = sentence.read
      ? t("contribution", { without: show(sentence.score_without), change: signed(-sentence.contribution) })
      : t("notRead");
    const span = make(place === found.best ? "strong" : "span", { class: classes.join(" "), title: note }, kernel);
    if (sentence.read && place === found.best) {
      span.append(make("span", { class: "hidden" }, ` (${t("raising", { change: sentence.contribution.toFixed(2) })})`));
    }
    return [whole.slice(0, at), span, whole.slice(at + kernel.length)];
  });
}

/** Return 0 to 4: how strongly a sentence is marked. What is far below the strongest is not marked at all. */
const level = (contribution, largest) => Math.min(4, Math.floor((Math.abs(contribution) / largest) * 4.999));

const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(2)}`;

const legend = () => make("p", { class: "legend quiet", "aria-hidden": "true" },
  make("span", { class: "swatch raises level-3" }), t("legendUp"),
  make("span", { class: "swatch lowers level-3" }), t("legendDown"),
);

function verdict(found, best, show) {
  const values = { score: show(found.score), without: show(best.score_without), alone: show(found.faithfulness.best_alone) };
  const carries = best.contribution > 0 && values.score !== values.without;
  return t(carries ? "bestSays" : "bestLittle", values);
}

function trust(agreement) {
  if (agreement === null) return t("agreeNone");
  const percent = `${Math.round(agreement * 100)}%`;
  return t(agreement >= 0.85 ? "agreeHigh" : agreement >= 0.7 ? "agreeMiddle" : "agreeLow", { percent });
}

function remarks(found) {
  const said = [];
  if (found.truncated) said.push(t("unreadSays"));
  if (found.grouped) said.push(t("groupedSays"));
  return said.length ? make("p", { class: "quiet" }, said.join(" ")) : null;
}
