/** Small things about the window, as refs. */
import { onBeforeUnmount, onMounted, ref, watch, type Ref } from "vue";

export function useMediaQuery(query: string): Ref<boolean> {
  const list = window.matchMedia(query);
  const matches = ref(list.matches);
  const update = () => {
    matches.value = list.matches;
  };
  onMounted(() => list.addEventListener("change", update));
  onBeforeUnmount(() => list.removeEventListener("change", update));
  return matches;
}

export const usePhone = () => useMediaQuery("(max-width: 760px), (max-height: 500px)");

/** Size of an element, kept up to date; of whichever it is now, where it comes and goes. */
export function useSize(element: Ref<HTMLElement | null>): Ref<{ width: number; height: number }> {
  const size = ref({ width: 0, height: 0 });
  let observer: ResizeObserver | undefined;
  watch(
    element,
    (target) => {
      observer?.disconnect();
      observer = undefined;
      if (!target) return;
      const measure = () => {
        size.value = { width: target.clientWidth, height: target.clientHeight };
      };
      observer = new ResizeObserver(measure);
      observer.observe(target);
      measure();
    },
    { immediate: true, flush: "post" },
  );
  onBeforeUnmount(() => observer?.disconnect());
  return size;
}
