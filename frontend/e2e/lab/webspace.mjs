// A web space that knows nothing of Porch: serves a folder, and prints what was asked of it, as an access log does.
// node webspace.mjs FOLDER PORT
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const [folder, port] = process.argv.slice(2);
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

createServer(async (request, response) => {
  console.log(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
  const { pathname } = new URL(request.url, 'http://localhost');
  const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  try {
    const body = await readFile(join(folder, normalize(path)));
    response.setHeader('Content-Type', types[extname(path)] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.statusCode = 404;
    response.end();
  }
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
