/** Who is signed in. */
import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { api } from "@/api/client";
import type { Me } from "@/api/http";
import { RequestError } from "@/protocol/errors";

export const useMe = defineStore("me", () => {
  const me = ref<Me | null>(null);
  const known = ref(false);
  /** The server does not answer: pages show that, and nobody is sent to the login for it. */
  const unreachable = ref(false);

  const largeType = computed(() => me.value?.large_type ?? false);

  async function ensure() {
    if (known.value) return;
    try {
      me.value = await api.me();
      known.value = true;
      unreachable.value = false;
    } catch (error) {
      me.value = null;
      unreachable.value = error instanceof RequestError && (error.transient || error.code === "internal");
      known.value = !unreachable.value;
    }
  }

  async function login(name: string, password: string) {
    me.value = await api.login(name, password);
    known.value = true;
    unreachable.value = false;
  }

  async function logout(everywhere: boolean) {
    await (everywhere ? api.logoutEverywhere() : api.logout());
    forget();
  }

  async function changePassword(old: string, fresh: string) {
    await api.password(old, fresh);
    known.value = false;
    await ensure();
  }

  async function setLargeType(large: boolean) {
    if (!me.value) return;
    me.value = { ...me.value, large_type: large };
    me.value = await api.preferences(large);
  }

  /** The cookie is no longer accepted. */
  function forget() {
    me.value = null;
    known.value = true;
  }

  return { me, known, unreachable, largeType, ensure, login, logout, changePassword, setLargeType, forget };
});
