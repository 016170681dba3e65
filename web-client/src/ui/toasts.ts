/** Short words that go by themselves, at a place kept for them: nothing moves when they come. */
import { defineStore } from "pinia";
import { ref } from "vue";

export interface Toast {
  id: number;
  text: string;
  tone: "info" | "warn" | "bad";
}

const SHOWN_MS = 5_000;
const AT_MOST = 3;

export const useToasts = defineStore("toasts", () => {
  const toasts = ref<Toast[]>([]);
  let next = 1;

  function show(text: string, tone: Toast["tone"] = "info") {
    const toast = { id: next++, text, tone };
    toasts.value = [...toasts.value, toast].slice(-AT_MOST);
    setTimeout(() => {
      toasts.value = toasts.value.filter((one) => one.id !== toast.id);
    }, SHOWN_MS);
  }

  return { toasts, show };
});
