import { key, machine, models, type Machine, type Model } from '../api/client';
import { problemFrom, type Problem } from '../api/problem';

/** What is known of the server: the machine, its models, and whether it answers. */
class Server {
  machine = $state.raw<Machine | null>(null);
  models = $state.raw<Model[]>([]);
  memoryMax = $state(0);
  problem = $state.raw<Problem | null>(null);
  /** Whether the server wants a key that the page does not have. */
  needsKey = $state(false);
  isLoaded = $state(false);

  async load(): Promise<void> {
    try {
      const [machineNow, list] = await Promise.all([machine(), models()]);
      this.machine = machineNow;
      this.models = list.models;
      this.memoryMax = list.memory_max_bytes;
      this.problem = null;
      this.needsKey = false;
      this.isLoaded = true;
    } catch (thrown) {
      this.failed(problemFrom(thrown));
    }
  }

  /** Notes that something was refused; a missing key is asked for. */
  failed(problem: Problem): void {
    if (problem.kind === 'unauthorized') this.needsKey = true;
    else this.problem = problem;
  }

  /** Tries a key: `true` if the server takes it. */
  async unlock(value: string): Promise<boolean> {
    key.set(value);
    await this.load();
    if (this.needsKey) key.set(null);
    return !this.needsKey;
  }

  /** The model of a name, or the one the server would take. */
  model(name: string | null): Model | undefined {
    const named = this.models.find((model) => model.name === name);
    return named ?? this.models.find((model) => model.is_default) ?? this.models[0];
  }
}

export const server = new Server();
