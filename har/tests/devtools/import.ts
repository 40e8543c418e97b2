// Reads an archive from standard input with the importer of Chromium's developer tools and tells what it made of it.
// `cargo xtask test` bundles this with the npm package `chrome-devtools-frontend`.
import {readFileSync} from 'node:fs';

import {HARRoot} from 'chrome-devtools-frontend/front_end/models/har/HARFormat.js';
import {Importer} from 'chrome-devtools-frontend/front_end/models/har/Importer.js';

const archive = new HARRoot(JSON.parse(readFileSync(0, 'utf8')));
const requests = Importer.requestsFromHARLog(archive.log);
const told = requests.map(async request => {
  const content = await request.requestContentData();
  return {
    method: request.requestMethod,
    url: request.url(),
    headers: request.requestHeaders().map(({name, value}) => [name, value]),
    form: await request.requestFormData(),
    status: request.statusCode,
    protocol: request.protocol,
    responseHeaders: request.responseHeaders.map(({name, value}) => [name, value]),
    content: content.isTextContent ? content.text : content.base64,
    isText: content.isTextContent,
    seconds: request.duration,
    frames: request.frames().map(({opCode, text, type}) => ({opCode, text, type})),
  };
});
process.stdout.write(JSON.stringify(await Promise.all(told)));
