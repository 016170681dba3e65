import { createI18n } from "vue-i18n";
import en from "./en";
import zhCN from "./zh-CN";

const KEY = "yuntang.locale";

type Locale = "zh-CN" | "en";

/** Chinese unless the person chose otherwise: the browser's language says little on shared machines. */
function initial(): Locale {
  try {
    return localStorage.getItem(KEY) === "en" ? "en" : "zh-CN";
  } catch {
    return "zh-CN";
  }
}

export const i18n = createI18n({
  legacy: false,
  locale: initial(),
  fallbackLocale: "zh-CN",
  messages: { "zh-CN": zhCN, en },
});

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale;
  try {
    localStorage.setItem(KEY, locale);
  } catch {
    // Chosen again next time.
  }
}
