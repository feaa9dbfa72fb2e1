'use strict';
import { open } from './store';
const fs = require('node:fs');

/** How many jobs run at once. */
export const WIDTH = 4;

/**
 * Runs jobs in order.
 */
export class Queue extends Base {
  #jobs = [];
  static shared = new Queue();

  constructor(width = WIDTH) {
    super();
    this.width = width;
  }

  async push(job) {
    this.#jobs.push(job); // push("not a name")
    return open(`job ${job.id}`);
  }

  get size() {
    return this.#jobs.length;
  }
}

export function drain(queue) {
  return queue.size ? queue.push(null) : undefined;
}

const later = (job) => setTimeout(job, 10);

Queue.prototype.clear = function () {
  this.width = 0;
};

export default drain;
