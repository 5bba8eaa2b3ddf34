import { describe, expect, it } from 'vitest';
import { events } from './sse';

/** A stream whose chunks end where `cuts` says. */
function streamOf(bytes: Uint8Array, size: number): { body: ReadableStream<Uint8Array>; isCancelled: () => boolean } {
  let at = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
    cancel() {
      cancelled = true;
    },
  });
  return { body, isCancelled: () => cancelled };
}

const all = async (text: string, size: number) => {
  const found: string[] = [];
  for await (const event of events(streamOf(new TextEncoder().encode(text), size).body)) found.push(event);
  return found;
};

describe('events', () => {
  const text = ': still here\n\ndata: {"a":"é→🙂"}\n\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\n';

  it('are the same wherever chunks end', async () => {
    for (let size = 1; size <= 80; size += 1) {
      expect(await all(text, size)).toEqual(['{"a":"é→🙂"}', 'one\ntwo', '[DONE]']);
      expect(await all(text.replaceAll('\n', '\r\n'), size)).toEqual(['{"a":"é→🙂"}', 'one\ntwo', '[DONE]']);
    }
  });

  it('that are not whole are not handed out', async () => {
    expect(await all('data: a\n\ndata: b\n', 3)).toEqual(['a']);
  });

  it('end the request when nobody listens any more', async () => {
    const { body, isCancelled } = streamOf(new TextEncoder().encode('data: a\n\n'.repeat(100)), 9);
    for await (const event of events(body)) {
      expect(event).toBe('a');
      break;
    }
    expect(isCancelled()).toBe(true);
  });
});
