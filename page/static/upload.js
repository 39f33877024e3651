// A video on its way to the server. `fetch` cannot tell how much has been sent, so this is an XMLHttpRequest.

import { makeSentence } from "./words.js";

/**
 * Send a file.
 *
 * @returns `{done, abort}`: a promise, rejected with an Error whose message is for the user, or with null after `abort`.
 */
export function upload(session, file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", session.address("video"));
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    for (const [name, value] of Object.entries(session.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(event.total, 1));
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(findSentence(request))));
    request.onerror = () =>
      reject(new Error(`The connection broke while ${file.name} was sent. Is the server still running?`));
    request.onabort = () => reject(null);
    request.send(file);
  });
  return { done, abort: () => request.abort() };
}

function findSentence(request) {
  try {
    return makeSentence(JSON.parse(request.responseText).error);
  } catch {
    return `The server refused the video with error ${request.status}.`;
  }
}
