/** What the browser says of the machine's network, where it says anything. */

/** Of the Network Information API only the sort of network; phones know it. */
interface Link extends EventTarget {
  readonly type?: string;
}

/**
 * Calls `changed` when the machine is on another network, or on one again. Returns what ends that.
 * Estimates of the speed change all the time and are no news.
 */
export function onNetworkChange(changed: () => void): () => void {
  const link = (navigator as Navigator & { connection?: Link }).connection;
  let type = link?.type;
  const look = () => {
    if (link?.type === type) return;
    type = link?.type;
    changed();
  };
  window.addEventListener("online", changed);
  link?.addEventListener("change", look);
  return () => {
    window.removeEventListener("online", changed);
    link?.removeEventListener("change", look);
  };
}
