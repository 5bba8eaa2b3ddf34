import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A stand-in for a model elsewhere that streams as OpenAI's interface does. */
export class Elsewhere {
  private constructor(
    private readonly server: Server,
    /** Where its interface is. */
    readonly address: string,
  ) {}

  /** Starts one that answers a request's body in these pieces, and says how many tokens it has read and written. */
  static async start(said: (body: string) => string[] | Promise<string[]>, usage: { read: number; written: number }): Promise<Elsewhere> {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', async () => {
        const pieces = await said(body);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const send = (value: unknown) => response.write(`data: ${JSON.stringify(value)}\n\n`);
        for (const content of pieces) send({ choices: [{ index: 0, delta: { content } }] });
        send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
        send({ choices: [], usage: { prompt_tokens: usage.read, completion_tokens: usage.written } });
        response.end('data: [DONE]\n\n');
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new Elsewhere(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
  }

  stop(): void {
    this.server.close();
  }
}
