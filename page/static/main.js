// What happens on the page, from the first connection to the saved files.

import { Camera } from "./camera.js";
import { findFault, watchForFiles } from "./choosing.js";
import { Glosses } from "./glosses.js";
import { Picture } from "./picture.js";
import { Recording } from "./recording.js";
import { Save } from "./save.js";
import { Session } from "./session.js";
import { addNotice, clearNotices, setStatus } from "./status.js";
import { upload } from "./upload.js";
import { describeLoss, describeModel, describeResult, makeSentence } from "./words.js";

const find = (id) => document.getElementById(id);
const USUAL_RATE = 25;

const session = new Session();
const picture = new Picture((seconds, playing) => glosses.setTime(seconds, playing));
const glosses = new Glosses(session, picture);
const camera = new Camera(session, picture.video);
const recording = new Recording(session, picture, addNotice);
const save = new Save(session, addNotice);

let model = null;
let file = null; // the video that was chosen last
let sending = null; // the upload that is going on
let job = null; // "video" or "camera": what is being read
let refusal = ""; // why the server wants no connection with this page, in its words

// ---- the connection ----

session.addEventListener("ready", async () => {
  try {
    model = await (await session.ask("/api/model")).json();
    find("model").textContent = describeModel(model);
  } catch (error) {
    addNotice(`What the network is could not be asked: ${error.message}`, true);
  }
  if (job || session.id === null) return; // a video was quicker, or the connection is lost again
  if (document.body.dataset.phase === "lost") {
    const rest = file ? ` ${file.name} can be read again.` : "";
    setStatus("ready", `Connected again.${rest}`, { buttons: file ? ["again"] : [] });
  } else {
    setStatus("ready", "Ready: drop a video, choose one, or use the camera.");
  }
  showEmptiness();
});

session.addEventListener("lost", ({ detail }) => {
  endJob();
  if (glosses.transcript) save.clear(`The files went with the connection.${file ? " Read the video again to save them." : ""}`);
  if (glosses.fromCamera) recording.clear();
  const text = refusal || describeLoss(detail.opened);
  refusal = "";
  setStatus("lost", text, { buttons: ["again"] });
});

session.addEventListener("message", ({ detail: message }) => handlers[message.type]?.(message));

const handlers = {
  queue({ place, length }) {
    if (!isExpected()) return;
    const text = place > 0 ? `Waiting: place ${place} of ${length - 1} in the queue.` : "It begins now.";
    setStatus("queue", text, { progress: "unknown", buttons: ["cancel"] });
  },
  reading({ part, parts }) {
    if (!isExpected()) return;
    const text = parts > 1 ? `Reading part ${Math.min(part + 1, parts)} of ${parts}.` : "Reading the video.";
    const progress = parts > 1 ? part / parts : "unknown"; // so many parts have been read
    setStatus("reading", text, { progress, buttons: ["cancel"] });
  },
  transcript(message) {
    if (isExpected()) showTranscript(message.transcript);
    else if (job) showCancelled(); // it was done just before it heard that it is not wanted
  },
  failed({ message }) {
    if (session.id === null) refusal = makeSentence(message); // the connection ends with that
    if (!job) return;
    endJob();
    setStatus("failed", makeSentence(message), { buttons: file ? ["again"] : [] });
  },
  cancelled() {
    if (job) showCancelled();
  },
  notice({ message }) {
    addNotice(makeSentence(message));
  },
  camera({ state, lines = [], rate = USUAL_RATE }) {
    lines.forEach((line) => addNotice(makeSentence(line)));
    if (state === "ready" && job === "camera") {
      camera.start(rate);
      setStatus("live", "Live: sign to the camera.", { buttons: ["stop"] });
    } else if (state === "ended" && job === "camera") {
      camera.close();
    }
  },
  live({ finals, provisional, time }) {
    if (!glosses.fromCamera) return;
    glosses.addLive(finals, provisional, time);
    showEmptiness();
  },
};

// ---- a video ----

function readFile(chosenFile) {
  file = chosenFile;
  startAnew("video");
  picture.showFile(file);
  const wrong = findFault(file, model?.max_upload);
  if (wrong) {
    endJob();
    setStatus("failed", wrong);
    return;
  }
  sendFile();
}

async function sendFile() {
  showSent(0);
  const mine = (sending = upload(session, file, showSent));
  try {
    await mine.done;
  } catch (error) {
    if (sending !== mine || error === null || !session.id) return; // cancelled, or the connection is lost: said already
    endJob();
    setStatus("failed", error.message, { buttons: ["again"] });
  } finally {
    if (sending === mine) sending = null;
  }
}

function showSent(share) {
  const percent = Math.floor(share * 100);
  const phase = document.body.dataset.phase;
  if (phase === "queue" || phase === "reading") return; // the server was quicker to say so
  const spoken = `Uploading ${file.name}`;
  setStatus("uploading", `Uploading ${percent} % of ${file.name}.`, { progress: share, buttons: ["cancel"], spoken });
}

function showTranscript(result) {
  const { fromCamera } = glosses;
  endJob();
  if (fromCamera && result.pictures) recording.show();
  glosses.showTranscript({ ...result, session: session.id });
  showEmptiness();
  result.notes?.forEach((note) => addNotice(makeSentence(note)));
  const kinds = (model?.formats ?? []).filter((kind) => kind !== "mp4" || result.pictures);
  save.offer(kinds, result.name);
  find("play-written").hidden = fromCamera || !kinds.includes("mp4"); // seen where the browser cannot play the video
  setStatus("done", describeResult(result, fromCamera ? "the camera" : file.name));
}

// ---- the camera ----

async function useCamera() {
  file = null;
  startAnew("camera");
  picture.showCamera();
  setStatus("asking", "The browser asks whether this page may use the camera.", { progress: "unknown", buttons: ["cancel"] });
  try {
    await camera.open(() => stopCamera("The camera is gone."));
  } catch (error) {
    if (job !== "camera") return;
    endJob();
    setStatus("failed", error.message);
    return;
  }
  if (job !== "camera") return camera.close(); // cancelled meanwhile
  setStatus("starting", "The camera is on. The server makes ready.", { progress: "unknown", buttons: ["cancel"] });
  session.send({ type: "camera", action: "start" });
  (model?.camera?.lines ?? []).forEach((line) => addNotice(makeSentence(line)));
}

function stopCamera(reason = "") {
  camera.close();
  session.send({ type: "camera", action: "stop" });
  setStatus("stopping", `${reason} The last glosses are being read.`.trim(), { progress: "unknown", buttons: ["cancel"] });
}

// ---- what all of them share ----

/** Whether news of a job are of one that goes on: some may be on their way when the user cancels. */
function isExpected() {
  return job !== null && document.body.dataset.phase !== "cancelling";
}

function startAnew(kind) {
  job = kind;
  clearNotices();
  glosses.clear(kind === "camera");
  save.clear();
  recording.clear();
  showEmptiness();
}

function endJob() {
  sending?.abort();
  sending = null;
  if (job === "camera") {
    camera.close();
    glosses.dropProvisional();
    recording.clear();
  }
  job = null;
  showEmptiness();
}

function cancel() {
  session.send({ type: "cancel" });
  const known = ["queue", "reading", "starting", "stopping"].includes(document.body.dataset.phase);
  if (!known) return showCancelled(); // the server has nothing to answer for
  camera.close();
  setStatus("cancelling", "Cancelling …", { progress: "unknown" });
}

function showCancelled() {
  const text = job === "video" ? `Cancelled: ${file.name} was not read.` : "Cancelled.";
  endJob();
  setStatus("cancelled", text, { buttons: file ? ["again"] : [] });
}

function showEmptiness() {
  const waiting = job ? "Glosses appear here as they are read." : "Glosses appear here when a video is read.";
  find("no-glosses").textContent = glosses.transcript ? "No glosses were found." : waiting;
  find("no-glosses").hidden = glosses.words.length > 0 || document.body.dataset.phase === "live";
  find("choose").disabled = find("use-camera").disabled = job !== null || session.id === null;
}

watchForFiles((chosenFile, others) => {
  if (session.id === null) addNotice("There is no connection to the server yet.", true);
  else if (job) addNotice("One thing at a time: cancel what is going on, then choose another video.", true);
  else readFile(chosenFile);
  if (others) addNotice("Several files came at once: the first one is read.");
});
find("use-camera").onclick = useCamera;
find("cancel").onclick = cancel;
find("stop").onclick = () => stopCamera();
find("again").onclick = () => {
  if (session.id === null) {
    setStatus("lost", "Trying to connect …", { progress: "unknown" });
    session.connect();
  } else if (file) readFile(file);
};
find("play-written").onclick = () => {
  picture.showAddress(session.addressToShow("files/mp4"));
  picture.setWords([]); // they are in its picture
};

session.connect();
