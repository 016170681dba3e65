/** The person's own devices: which are there, which are chosen, and what the lobby opened. */
import { defineStore } from "pinia";
import { markRaw, reactive, ref, shallowRef } from "vue";
import { flags } from "@/rtc/flags";
import {
  DeviceError,
  listDevices,
  openCamera,
  openMicrophone,
  type DeviceLists,
  type DeviceProblem,
} from "@/rtc/media";

const REMEMBERED = "yuntang.devices";

interface Choice {
  camera: string;
  microphone: string;
  speaker: string;
}

function remembered(): Choice {
  try {
    return { camera: "", microphone: "", speaker: "", ...(JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}") as Partial<Choice>) };
  } catch {
    return { camera: "", microphone: "", speaker: "" };
  }
}

export const useDevices = defineStore("devices", () => {
  const lists = ref<DeviceLists>({ cameras: [], microphones: [], speakers: [] });
  const choice = reactive<Choice>(remembered());
  const camera = shallowRef<MediaStreamTrack | null>(null);
  const microphone = shallowRef<MediaStreamTrack | null>(null);
  const problems = reactive<{ camera: DeviceProblem | null; microphone: DeviceProblem | null }>({
    camera: null,
    microphone: null,
  });

  function remember() {
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify(choice));
    } catch {
      // Private windows may have no storage: then it is asked again next time.
    }
  }

  async function refresh() {
    lists.value = await listDevices().catch(() => lists.value);
  }

  async function tryCamera() {
    stopCamera();
    try {
      camera.value = markRaw(await openCamera(choice.camera || undefined, false));
      problems.camera = null;
    } catch (error) {
      problems.camera = error instanceof DeviceError ? error.problem : "other";
    }
    await refresh();
  }

  async function tryMicrophone() {
    stopMicrophone();
    try {
      microphone.value = markRaw(await openMicrophone(choice.microphone || undefined, { rawAudio: flags.rawAudio }));
      problems.microphone = null;
    } catch (error) {
      problems.microphone = error instanceof DeviceError ? error.problem : "other";
    }
    await refresh();
  }

  function stopCamera() {
    camera.value?.stop();
    camera.value = null;
  }

  function stopMicrophone() {
    microphone.value?.stop();
    microphone.value = null;
  }

  /** The room takes the tracks over; the lobby forgets them without stopping them. */
  function handOver() {
    const tracks = { camera: camera.value, microphone: microphone.value };
    camera.value = null;
    microphone.value = null;
    return tracks;
  }

  return {
    lists, choice, camera, microphone, problems,
    remember, refresh, tryCamera, tryMicrophone, stopCamera, stopMicrophone, handOver,
  };
});
