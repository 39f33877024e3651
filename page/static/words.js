// What the page says of times, confidences and sizes.

/** Seconds as 0:03.4 or 1:02:03.4. */
export function formatTime(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A confidence between 0 and 1 as 93 %; networks of older versions know none. */
export function formatConfidence(confidence) {
  return typeof confidence === "number" ? `${Math.round(confidence * 100)} %` : "not known";
}

/** The step of the colours of confidence, as the legend shows them: 4 is the surest, 0 is not known. */
export function findLevel(confidence) {
  if (typeof confidence !== "number") return 0;
  const percent = Math.round(confidence * 100); // as it is written
  return 1 + [50, 70, 90].filter((bound) => percent >= bound).length;
}

/** Bytes as 3.4 MiB. */
export function formatSize(bytes) {
  const size = bytes / 2 ** 20;
  if (size >= 1024) return `${(size / 1024).toFixed(1)} GiB`;
  return `${size.toFixed(size < 10 ? 1 : 0)} MiB`;
}

/** A length in words: 2.7 seconds, 16.0 minutes. */
export function formatDuration(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} seconds` : `${(seconds / 60).toFixed(1)} minutes`;
}

/** What was found, once all is read. */
export function describeResult({ words, duration }, name) {
  const found = `${words.length} ${words.length === 1 ? "gloss" : "glosses"} in ${formatDuration(duration)}`;
  const next = words.length ? "" : " Nobody may be signing in it, or the network does not know what is signed.";
  return `Done: ${found} of ${name}.${next}`;
}

/** What to do where there is no connection to the server. @param opened whether there was one. */
export function describeLoss(opened) {
  return opened
    ? "The connection to the server was lost. See that python -m page still runs; this page tries again by itself."
    : "The server does not answer this page. See that python -m page runs, and open the address that it printed.";
}

/**
 * What the server says, as a sentence of the page: it ends with a full stop, and begins with a capital letter unless it
 * begins with the name of a file.
 */
export function makeSentence(text) {
  const begun = /^[a-z]+[ ,:]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return begun + (/[.!?]$/.test(text) ? "" : ".");
}

/** What a network is and is not, from what `/api/model` tells. */
export function describeModel(model) {
  const glosses = `${model.glosses} ${model.glosses === 1 ? "gloss" : "glosses"}`;
  const name = `The network ${model.name} (${model.system})`;
  if (model.rendered)
    return `${name} knows ${glosses} of rendered figures. It was never shown a person: it reads no sign language.`;
  return `${name} knows ${glosses}, and takes whatever it is shown for some of them.`;
}
