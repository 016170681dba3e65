import pluginVue from "eslint-plugin-vue";
import tseslint from "typescript-eslint";
import vueParser from "vue-eslint-parser";

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "src/protocol/generated/**", "shots/**"] },
  ...tseslint.configs.recommended,
  ...pluginVue.configs["flat/essential"],
  {
    files: ["**/*.vue"],
    languageOptions: { parser: vueParser, parserOptions: { parser: tseslint.parser, sourceType: "module" } },
  },
  {
    files: ["**/*.{ts,vue,js,mjs}"],
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "prefer-const": "error",
      "vue/multi-word-component-names": "off",
      // An inline style in a template is refused by the content policy; bound styles are set by script.
      "vue/no-static-inline-styles": "error",
      "vue/no-v-html": "error",
      "vue/require-explicit-emits": "error",
      "no-restricted-imports": [
        "error",
        { paths: [{ name: "tdesign-icons-vue-next", importNames: ["Icon", "IconFont"], message: "These load from a foreign host." }] },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  // The protocol and media code knows no Vue: it is tested without a page.
  {
    files: ["src/rtc/**/*.ts", "src/protocol/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: ["vue", "vue-*", "pinia", "@/stores/*", "@/ui/*"] }] },
  },
  { files: ["scripts/**"], rules: { "no-console": "off" } },
);
