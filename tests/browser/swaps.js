// A program as people write them: pages that poll, listen, talk and post. Each answer names the version that gave it.
const { createHash } = require('crypto');
const { appendFileSync, readFileSync } = require('fs');

const version = readFileSync('version', 'utf8').trim();

// What goes wrong in a page is said in its console, unless the page is being left.
const SCRIPT = `
const seen = { poll: '', event: '', socket: '', form: '', polls: 0, forms: 0 };
let leaving = false;
addEventListener('beforeunload', () => { leaving = true; });
const wrong = (what) => leaving || console.error(what);

async function poll() {
  try {
    const answer = await fetch('/poll');
    if (answer.status !== 200) wrong('poll: ' + answer.status);
    seen.poll = await answer.text();
    seen.polls += 1;
  } catch (error) {
    wrong('poll: ' + error);
  }
  setTimeout(poll, 20);
}

function listen() {
  const source = new EventSource('/stream');
  source.onmessage = ({ data }) => { seen.event = data; };
  source.onerror = () => source.readyState === EventSource.CLOSED && wrong('the stream is closed for good');
}

function talk() {
  const socket = new WebSocket('ws://' + location.host + '/socket');
  const asking = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send('x'), 20);
  socket.onmessage = ({ data }) => { seen.socket = data; };
  socket.onclose = ({ code }) => {
    clearInterval(asking);
    if (code !== 1012) wrong('socket: ' + code);
    setTimeout(talk, 5);
  };
}

function post() {
  const [form, frame] = [document.forms[0], document.getElementsByName('result')[0]];
  const next = () => {
    form.id.value = page + '-' + seen.forms;
    form.submit();
  };
  frame.onload = () => {
    const text = frame.contentDocument.body.textContent;
    if (!text.startsWith('taken ' + form.id.value + ' ')) wrong('form: ' + text);
    seen.form = text.split(' ')[2];
    seen.forms += 1;
    setTimeout(next, 30);
  };
  next();
}

const page = Math.random().toString(36).slice(2);
poll(); listen(); talk(); addEventListener('load', post, { once: true });
`;

const page = (head) => `<!doctype html><html><head><title>${version}</title>${head}</head><body>
<form method=post action=/form target=result><input name=id></form><iframe name=result></iframe>
<script>${SCRIPT}</script></body></html>`;

const server = require('http').createServer((request, response) => {
  const answer = (kind, body) => response.writeHead(200, { 'content-type': kind }).end(body);
  switch (request.url) {
    case '/': return answer('text/html', page(''));
    // A front end that reloads by itself: devloop does not, so that this one lives through everything.
    case '/own': return answer('text/html', page('<script type=module src="/@vite/client"></script>'));
    case '/@vite/client': return answer('text/javascript', '');
    case '/poll': return answer('text/plain', version);
    case '/stream':
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return response.write(`data: ${version}\n\n`);
    case '/form': {
      let body = '';
      request.on('data', (piece) => { body += piece; });
      return request.on('end', () => {
        const id = body.split('=')[1];
        appendFileSync('posts.log', `${id}\n`);
        answer('text/html', `<!doctype html><title>taken</title><body>taken ${id} ${version}`);
      });
    }
    default: return response.writeHead(404).end();
  }
});

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
  const say = () => socket.write(Buffer.concat([Buffer.from([0x81, version.length]), Buffer.from(version)]));
  say();
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (data) => {
    // Frames of a browser are masked, and these are short: two bytes, the mask, the text.
    held = Buffer.concat([held, data]);
    while (held.length >= 6 && held.length >= 6 + (held[1] & 0x7f)) {
      if ((held[0] & 0x0f) === 8) return socket.end(Buffer.from([0x88, 0]));
      held = held.subarray(6 + (held[1] & 0x7f));
      say();
    }
  });
});

server.listen(process.env.PORT, '127.0.0.1');
