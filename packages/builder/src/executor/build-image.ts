import type { BuildContext } from '../context/build-context.ts';
import type { Stage } from '../dockerfile.ts';
import { BuilderError } from '../errors.ts';
import { processWord } from '../words.ts';
import { BuildArguments } from './build-arguments.ts';
import type { BuildEngine, BuildImage, BuildOutput } from './engine.ts';
import { declareArguments } from './metadata.ts';
import type { BuildPlan } from './plan.ts';
import { shortId, StageBuilder } from './stage-builder.ts';

/** How to build. */
export interface BuildRequest {
  readonly plan: BuildPlan;
  readonly context: BuildContext;
  readonly engine: BuildEngine;
  readonly output: BuildOutput;
  readonly buildArguments: Readonly<Record<string, string | null>>;
  readonly usesCache: boolean;
  readonly removes: boolean;
  readonly alwaysRemoves: boolean;
  /** `os/architecture`, where the client wants another than the machine's. */
  readonly platform: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Builds an image, telling each step. When it fails or is aborted no container of a step is left, unless the client wants to keep those of failed steps.
 *
 * @throws BuilderError and what the engine throws
 */
export async function buildImage(request: BuildRequest): Promise<BuildImage> {
  return new Build(request).run();
}

class Build {
  readonly #request: BuildRequest;
  readonly #arguments: BuildArguments;
  readonly #stages: { readonly name: string | undefined; image: BuildImage | undefined }[] = [];
  #step = 0;

  constructor(request: BuildRequest) {
    this.#request = request;
    this.#arguments = new BuildArguments(request.buildArguments);
  }

  async run(): Promise<BuildImage> {
    const { plan, output } = this.#request;
    const { escape } = plan.dockerfile.directives;
    for (const instruction of plan.dockerfile.globalArguments) {
      this.#tellStep(instruction.original);
      const known = this.#arguments.globals();
      declareArguments(instruction.text, escape, (word) => processWord(word, (name) => known[name], escape), (name, value) => { this.#arguments.declareGlobal(name, value); });
    }
    let last: BuildImage | undefined;
    for (const stage of plan.stages) {
      last = await this.#runStage(stage);
      if (last !== undefined) output.image(last.id);
    }
    const unused = this.#arguments.unused();
    if (unused.length > 0) output.stdout(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    if (last === undefined) throw new BuilderError('NO_IMAGE', 'No image was generated. Is your Dockerfile empty?');
    return last;
  }

  #tellStep(text: string): void {
    const { output, plan, signal } = this.#request;
    signal.throwIfAborted();
    this.#step += 1;
    output.stdout(`Step ${this.#step}/${plan.stepCount} : ${text}`);
    output.stdout('\n');
  }

  async #runStage(stage: Stage): Promise<BuildImage | undefined> {
    const { plan, output, usesCache } = this.#request;
    const { escape } = plan.dockerfile.directives;
    this.#tellStep(stage.original);
    const current: { readonly name: string | undefined; image: BuildImage | undefined } = { name: stage.name, image: undefined };
    this.#arguments.beginStage();
    const base = await this.#findBase(stage, escape);
    this.#stages.push(current);
    const builder = new StageBuilder(base, { arguments: this.#arguments, escape }, {
      ...this.#request, usesCache, platform: this.#platformOf(stage, escape), findSourceImage: (reference) => this.#findSource(reference),
    });
    await builder.runTriggers();
    output.stdout(` ---> ${shortId(builder.image?.id ?? '')}\n`);
    for (const instruction of stage.instructions) {
      this.#tellStep(instruction.original);
      await builder.run(instruction);
      output.stdout(` ---> ${shortId(builder.image?.id ?? '')}\n`);
    }
    current.image = builder.image;
    return builder.image;
  }

  #expandGlobal(text: string, escape: string): string {
    const known = this.#arguments.globals();
    return processWord(text, (name) => known[name], escape);
  }

  #platformOf(stage: Stage, escape: string): string | undefined {
    const own = stage.platform === undefined ? '' : this.#expandGlobal(stage.platform, escape);
    return own === '' ? this.#request.platform : own;
  }

  async #findBase(stage: Stage, escape: string): Promise<BuildImage | undefined> {
    const name = this.#expandGlobal(stage.base, escape);
    if (name === '') throw new BuilderError('INVALID_ARGUMENT', `base name (${stage.base}) should not be blank`, stage.line);
    const earlier = this.#stages.find((candidate) => candidate.name === name.toLowerCase());
    if (earlier !== undefined) return earlier.image;
    return name === 'scratch' ? undefined : this.#request.engine.findImage(name, this.#platformOf(stage, escape));
  }

  /** The image of a `--from`: of a stage by number or name, or any other. */
  async #findSource(reference: string): Promise<BuildImage | undefined> {
    if (/^-?\d+$/.test(reference)) {
      const index = Number(reference);
      if (index === this.#stages.length - 1) throw new BuilderError('INVALID_ARGUMENT', 'refers to current build stage');
      const stage = this.#stages[index];
      if (stage === undefined) throw new BuilderError('INVALID_ARGUMENT', 'index out of bounds');
      return stage.image;
    }
    const stage = this.#stages.slice(0, -1).find((candidate) => candidate.name === reference.toLowerCase());
    return stage === undefined ? this.#request.engine.findImage(reference, this.#request.platform) : stage.image;
  }
}
