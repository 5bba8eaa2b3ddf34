/**
 * Server-sent events out of a stream of bytes.
 *
 * Chunks end anywhere, inside a line or inside a character; an event is handed out once its empty line has come.
 */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const lines = new Lines();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      yield* lines.add(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    // Whoever stops listening wants the server to stop as well.
    await reader.cancel().catch(() => {});
  }
}

/** Collects lines into events; only `data` matters here. */
class Lines {
  private rest = '';
  private data: string[] = [];

  *add(text: string): Generator<string> {
    this.rest += text;
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r(?=.)/s);
      if (end < 0) return;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      if (line === '') {
        if (this.data.length > 0) yield this.data.join('\n');
        this.data = [];
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
  }
}
