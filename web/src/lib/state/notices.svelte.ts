/** Short messages at the edge of the page, and what screen readers are told. */
class Notices {
  list = $state<{ id: number; text: string; isError: boolean }[]>([]);
  /** Changes are read aloud politely, that is, when nothing else is being said. */
  spoken = $state('');
  private next = 0;

  show(text: string, isError = false): void {
    const id = this.next++;
    this.list.push({ id, text, isError });
    setTimeout(() => this.close(id), isError ? 12_000 : 4000);
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  say(text: string): void {
    this.spoken = text;
  }
}

export const notices = new Notices();
