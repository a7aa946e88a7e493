import { seedLevels } from "./levels";
import { run } from "./run";

void run("seedLevels", seedLevels);
