// The request that is on screen, as programs that send it.

const quoteShell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Return a value in Python's notation: JSON's, but for three names. */
function python(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) {
    if (!value.length) return "[]";
    const inner = `${indent}    `;
    return `[\n${value.map((item) => `${inner}${python(item, inner)},\n`).join("")}${indent}]`;
  }
  if (typeof value === "object") {
    const parts = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, indent)}`);
    return `{${parts.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** Return [{name, code}] for a body of /v1/rerank at a server. */
export function calls(base, body, hasKey) {
  return [
    { name: "curl", code: curl(base, body, hasKey) },
    { name: "resift.Client", code: client(base, body, hasKey) },
    { name: "requests", code: requests(base, body, hasKey) },
  ];
}

function curl(base, body, hasKey) {
  const lines = [`curl ${base}/v1/rerank`, `-H 'Content-Type: application/json'`];
  if (hasKey) lines.push(`-H "Authorization: Bearer $RESIFT_API_KEY"`);
  lines.push(`-d ${quoteShell(JSON.stringify(body, null, 2))}`);
  return lines.join(" \\\n  ");
}

function client(base, body, hasKey) {
  const options = [JSON.stringify(base)];
  if (hasKey) options.push(`api_key=os.environ["RESIFT_API_KEY"]`);
  if (body.model) options.push(`model=${JSON.stringify(body.model)}`);
  options.push(`scores=${JSON.stringify(body.scores)}`);
  const top = body.top_n ? `, top_k=${body.top_n}` : "";
  return `${hasKey ? "import os\n\n" : ""}from resift import Client

query = ${python(body.query)}
documents = ${python(body.documents)}

with Client(${options.join(", ")}) as client:
    for place in client.rank(query, documents${top}):
        print(f"{place.score:.4f}  {place.document}")
`;
}

function requests(base, body, hasKey) {
  const headers = hasKey ? `    headers={"Authorization": f"Bearer {os.environ['RESIFT_API_KEY']}"},\n` : "";
  const fields = Object.entries(body).map(([name, value]) => `        ${JSON.stringify(name)}: ${python(value, "        ")},`);
  return `${hasKey ? "import os\n\n" : ""}import requests

answer = requests.post(
    ${JSON.stringify(`${base}/v1/rerank`)},
${headers}    json={
${fields.join("\n")}
    },
    timeout=60,
)
answer.raise_for_status()
for result in answer.json()["results"]:
    print(f"{result['relevance_score']:.4f}", result["index"])
`;
}
