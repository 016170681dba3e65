/** Loading something for a page: value, error and whether it is under way. */
import { ref, shallowRef, type Ref, type ShallowRef } from "vue";
import { RequestError } from "@/protocol/errors";
import { router } from "@/router";
import { useMe } from "./me";

export interface Loaded<T> {
  value: ShallowRef<T | null>;
  error: Ref<RequestError | null>;
  loading: Ref<boolean>;
  reload: () => Promise<void>;
}

export function useLoad<T>(load: () => Promise<T>): Loaded<T> {
  const value = shallowRef<T | null>(null);
  const error = ref<RequestError | null>(null);
  const loading = ref(true);

  async function reload() {
    loading.value = value.value === null;
    try {
      value.value = await load();
      error.value = null;
    } catch (caught) {
      error.value = asRequestError(caught);
      if (error.value.code === "not_authenticated") toLogin();
    } finally {
      loading.value = false;
    }
  }

  void reload();
  return { value, error, loading, reload };
}

export function asRequestError(caught: unknown): RequestError {
  return caught instanceof RequestError ? caught : new RequestError("internal", String(caught));
}

/** Signing in again returns to where the person was. */
export function toLogin() {
  useMe().forget();
  void router.replace({ path: "/login", query: { next: router.currentRoute.value.fullPath } });
}
