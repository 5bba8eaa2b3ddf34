/** A count at some moment. */
interface Sample {
  at: number;
  count: number;
}

/** How fast a count grows, over the last few looks at it. */
export class Rate {
  private samples: Sample[] = [];

  constructor(private readonly kept = 4) {}

  /** Notes the count and gives what it grows in a second; null before the second look, and after the count began anew. */
  note(count: number, at: number): number | null {
    const last = this.samples.at(-1);
    if (last && (count < last.count || at <= last.at)) this.samples = [];
    this.samples.push({ at, count });
    if (this.samples.length > this.kept) this.samples.shift();
    const first = this.samples[0];
    if (!first || this.samples.length < 2) return null;
    return ((count - first.count) * 1000) / (at - first.at);
  }
}
