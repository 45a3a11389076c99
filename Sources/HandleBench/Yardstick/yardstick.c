int y(void){return 0;}
