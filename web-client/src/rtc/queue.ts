/**
 * One run at a time. A run asked for while another is going on is done once afterwards,
 * however often it was asked for.
 */
export class CoalescingQueue {
  private running = false;
  private again = false;
  private idle: Promise<void> = Promise.resolve();

  constructor(private readonly work: () => Promise<void>) {}

  /** Resolves when everything asked for until now has been done (or has failed). */
  run(): Promise<void> {
    if (this.running) {
      this.again = true;
      return this.idle;
    }
    this.running = true;
    this.idle = this.loop();
    return this.idle;
  }

  private async loop(): Promise<void> {
    try {
      do {
        // What is asked for in the same turn goes into one offer.
        await Promise.resolve();
        this.again = false;
        await this.work();
      } while (this.again);
    } finally {
      this.running = false;
    }
  }
}
