/**
 * Tells a growing text to screen readers sentence by sentence. Every token by itself would talk over the one before.
 */
export class Announcer {
  private told = 0;
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly say: (text: string) => void,
    private readonly now: () => number = () => Date.now(),
    private readonly every = 2000,
  ) {}

  /** The text so far. What is whole in it is told, at most once in a while. */
  grow(text: string): void {
    if (this.now() - this.last < this.every) return;
    const whole = text.slice(this.told).match(/^[\s\S]*[.!?。！？؟:\n](?=\s|$)/u)?.[0];
    if (whole?.trim()) this.tell(whole);
  }

  /** The text is complete: what has not been told yet is told now. */
  end(text: string): void {
    const rest = text.slice(this.told);
    if (rest.trim()) this.tell(rest);
  }

  private tell(text: string): void {
    this.told += text.length;
    this.last = this.now();
    this.say(text.replace(/[`*_#>|]+/g, '').replace(/\s+/g, ' ').trim());
  }
}
