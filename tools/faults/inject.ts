// Carries the schedule out, each fault at its time, and takes every fault back when its time is over.
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchMesh } from "./mesh.ts";
import type { Fault, PlannedFault, Server } from "./schedule.ts";
import type { BenchServer } from "./servers.ts";

export interface Injector {
  /** Works through the schedule; resolves when the last fault is over. */
  run(schedule: readonly PlannedFault[], signal: AbortSignal): Promise<void>;
  /** Makes everything whole again, whatever was broken. */
  heal(): Promise<void>;
}

export interface InjectorDeps {
  mesh: BenchMesh;
  servers: Record<Server, BenchServer>;
  duplicate(messages: number): Promise<number>;
  onFault(planned: PlannedFault, outcome: { note: string; isInjected: boolean }): void;
}

export function createInjector({ mesh, servers, duplicate, onFault }: InjectorDeps): Injector {
  /** Answers what was found or done, where that depends on the moment. */
  const inject = async (fault: Fault, signal: AbortSignal): Promise<string> => {
    const hold = (ms: number): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});
    switch (fault.kind) {
      case "kill":
        mesh.process(fault.process).kill(fault.downMs);
        return "";
      case "stop":
        mesh.process(fault.process).signal("SIGSTOP");
        await hold(fault.forMs);
        mesh.process(fault.process).signal("SIGCONT");
        return "";
      case "restart":
        await servers[fault.server].take(fault.way);
        await hold(fault.downMs);
        await servers[fault.server].bringBack();
        return "";
      case "cut":
        return `${mesh.proxy(fault.process, fault.server)?.cut() ?? 0} connections`;
      case "refuse":
        mesh.proxy(fault.process, fault.server)?.refuse(true);
        await hold(fault.forMs);
        mesh.proxy(fault.process, fault.server)?.refuse(false);
        return "";
      case "delay":
        mesh.proxy(fault.process, fault.server)?.delay(fault.delayMs);
        await hold(fault.forMs);
        mesh.proxy(fault.process, fault.server)?.delay(0);
        return "";
      case "stall":
        mesh.proxy(fault.process, fault.server)?.stall(true);
        await hold(fault.forMs);
        mesh.proxy(fault.process, fault.server)?.stall(false);
        return "";
      case "duplicates":
        return `${await duplicate(fault.messages)} messages`;
      case "clock":
        mesh.process(fault.process).setClock(fault.offsetMs);
        await hold(fault.forMs);
        mesh.process(fault.process).setClock(0);
        return "";
      case "crash_point":
        mesh.process(fault.process).armCrash(fault.point, fault.pass);
        return "";
    }
  };

  return {
    run: async (schedule, signal) => {
      const startedMs = performance.now();
      // Some last longer than the next one is away.
      const underWay: Promise<void>[] = [];
      for (const planned of schedule) {
        await sleep(Math.max(0, planned.atMs - (performance.now() - startedMs)), undefined, { signal }).catch(() => {});
        if (signal.aborted) break;
        const one = inject(planned.fault, signal).then(
          (note) => onFault(planned, { note, isInjected: true }),
          (error: unknown) => onFault(planned, { note: `not injected: ${(error as Error).message}`, isInjected: false }),
        );
        underWay.push(one);
      }
      await Promise.all(underWay);
    },
    heal: async () => {
      for (const server of Object.values(servers)) await server.bringBack();
      for (const name of mesh.names) {
        for (const server of ["postgres", "nats"] as const) {
          const proxy = mesh.proxy(name, server);
          proxy?.refuse(false);
          proxy?.delay(0);
          proxy?.stall(false);
        }
        const process = mesh.process(name);
        process.signal("SIGCONT");
        process.setClock(0);
        process.armCrash("", 0);
      }
    },
  };
}
