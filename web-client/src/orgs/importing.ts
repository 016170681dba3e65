/** An upload on its way: asked after until nothing goes on with it any more. */
import type { ImportJob } from "@/api/orgs";
import { RequestError } from "@/protocol/errors";

const LOOK_MS = 500;
/** Misses in a row before it is given up: a short gap of the network is none. */
const MISSES = 20;

export const isBusy = (job: ImportJob): boolean => job.state === "reading" || job.state === "writing";

/** Calls `seen` with each state, and ends with the last one. */
export async function follow(
  first: ImportJob,
  look: (id: string) => Promise<ImportJob>,
  seen: (job: ImportJob) => void,
  wait: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
): Promise<ImportJob> {
  let job = first;
  let misses = 0;
  seen(job);
  while (isBusy(job)) {
    await wait(LOOK_MS);
    try {
      job = await look(job.id);
      misses = 0;
      seen(job);
    } catch (caught) {
      misses += 1;
      if (!(caught instanceof RequestError) || !caught.transient || misses >= MISSES) throw caught;
    }
  }
  return job;
}

/** Whether there is anything to confirm, and nothing against it. */
export function mayConfirm(job: ImportJob | null): boolean {
  const counts = job?.state === "ready" ? job.preview?.counts : undefined;
  return counts !== undefined && counts.problems === 0 && counts.new + counts.changed > 0;
}
