/** Tells the room how large a picture is shown, as long as its element is there. */
import { onBeforeUnmount, onMounted, watch, type Ref } from "vue";
import type { Source } from "@/protocol/generated/protocol";
import { useRoom } from "@/stores/room";

export interface Shown {
  participant: string;
  source: Source;
  priority: number;
}

export function useShown(element: Ref<HTMLElement | null>, what: () => Shown): void {
  const room = useRoom();
  const key = {};
  let size: ResizeObserver | undefined;
  let sight: IntersectionObserver | undefined;
  let inSight = true;

  function report() {
    const target = element.value;
    const { participant, source, priority } = what();
    if (!target || participant === room.myId) return void room.client?.views.set(key, null);
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [target.clientWidth * ratio, target.clientHeight * ratio];
    room.client?.views.set(key, { participant, source, priority, width, height, visible: inSight });
  }

  onMounted(() => {
    const target = element.value;
    if (!target) return;
    size = new ResizeObserver(report);
    size.observe(target);
    // Scrolled out of the grid or the strip.
    sight = new IntersectionObserver((entries) => {
      inSight = entries.at(-1)?.isIntersecting ?? true;
      report();
    });
    sight.observe(target);
    report();
  });
  watch(what, report);
  watch(() => room.client, report);
  onBeforeUnmount(() => {
    size?.disconnect();
    sight?.disconnect();
    room.client?.views.set(key, null);
  });
}
